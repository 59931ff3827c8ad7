// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Marks are elements over the picture, which lies in the file as a PNG; masks are such pictures, too. */

#include <stdlib.h>
#include <string.h>

#include "draw/canvas_impl.h"

static void print_colour(draw_bytes *out, const char *attribute, draw_colour colour)
{
    draw_print(out, " %s=\"#%02x%02x%02x\"", attribute, (unsigned)colour.red, (unsigned)colour.green,
               (unsigned)colour.blue);
}

static void line(draw_canvas *c, const double *points, size_t n, bool is_closed, double width, draw_colour colour)
{
    draw_print(&c->marks, "<%s points=\"", is_closed ? "polygon" : "polyline");
    for (size_t i = 0; i < n; i++)
        draw_print(&c->marks, "%s%.2f,%.2f", i ? " " : "", points[2 * i], points[2 * i + 1]);
    draw_print(&c->marks, "\" fill=\"none\" stroke-width=\"%.2f\" stroke-linejoin=\"round\"", width);
    print_colour(&c->marks, "stroke", colour);
    draw_print(&c->marks, "/>\n");
}

static void rectangle(draw_canvas *c, double x, double y, double width, double height, draw_colour colour,
                      double opacity)
{
    draw_print(&c->marks, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"", x, y, width, height);
    print_colour(&c->marks, "fill", colour);
    draw_print(&c->marks, " fill-opacity=\"%.2f\"/>\n", opacity);
}

/* How many bytes the character at `t` has; 0: that is no UTF-8. */
static size_t character(const char *t)
{
    const unsigned char first = (unsigned char)*t;
    const size_t n = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)t[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* XML has no control characters, and '<', '&' and '"' are its own. */
static void print_escaped(draw_bytes *out, const char *text)
{
    for (const char *t = text; *t;) {
        const size_t n = character(t);
        if (*t == '<' || *t == '&' || *t == '"')
            draw_print(out, "%s", *t == '<' ? "&lt;" : *t == '&' ? "&amp;" : "&quot;");
        else if (n == 1 && (unsigned char)*t < ' ')
            draw_append(out, " ", 1);
        else
            draw_append(out, n ? t : "?", n ? n : 1);
        t += n ? n : 1;
    }
}

static void text(draw_canvas *c, double x, double y, const char *words, double size, draw_colour colour)
{
    draw_print(&c->marks, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%.2f\" font-family=\"sans-serif\"", x,
               y + 0.8 * size, size * 0.9);
    print_colour(&c->marks, "fill", colour);
    draw_print(&c->marks, ">");
    print_escaped(&c->marks, words);
    draw_print(&c->marks, "</text>\n");
}

static void print_base64(draw_bytes *out, const uint8_t *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const unsigned bits = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                              (left > 2 ? data[i + 2] : 0);
        const char four[] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                             left > 2 ? digits[bits & 63] : '='};
        draw_append(out, four, sizeof four);
    }
}

/* A picture over the whole canvas. */
static void print_picture(draw_bytes *out, const draw_canvas *c, const uint8_t *pixels, int width, int height,
                          int channels)
{
    draw_bytes png = {0};
    draw_encode_png(&png, pixels, width, height, channels);
    draw_print(out, "<image width=\"%d\" height=\"%d\" preserveAspectRatio=\"none\" image-rendering=\"%s\" "
               "href=\"data:image/png;base64,", c->width, c->height, channels == 4 ? "pixelated" : "auto");
    print_base64(out, (const uint8_t *)png.data, png.count);
    draw_print(out, "\"/>\n");
    out->failed = out->failed || png.failed;
    free(png.data);
}

static void mask(draw_canvas *c, const uint8_t *on, int width, int height, draw_colour colour, double opacity)
{
    const size_t n = (size_t)width * (size_t)height;
    uint8_t *pixels = malloc(4 * n);
    c->marks.failed = c->marks.failed || !pixels;
    if (!pixels)
        return;
    for (size_t i = 0; i < n; i++) {
        const uint8_t pixel[4] = {colour.red, colour.green, colour.blue, on[i] ? (uint8_t)(opacity * 255) : 0};
        memcpy(pixels + 4 * i, pixel, sizeof pixel);
    }
    print_picture(&c->marks, c, pixels, width, height, 4);
    free(pixels);
}

static void encode(const draw_canvas *c, draw_bytes *out)
{
    draw_print(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
               c->width, c->height, c->width, c->height);
    if (c->pixels)
        print_picture(out, c, c->pixels, c->width, c->height, 3);
    else
        draw_print(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", c->width, c->height);
    if (c->marks.count)
        draw_append(out, c->marks.data, c->marks.count);
    draw_print(out, "</svg>\n");
}

const draw_kind draw_svg = {
    .ending = ".svg",
    .text_width = 0.5,
    .line = line,
    .rectangle = rectangle,
    .mask = mask,
    .text = text,
    .encode = encode,
};
