// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Marks are drawn into the pixels at once. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw/canvas_impl.h"

enum { FONT_HEIGHT = 10, MOST_LETTERS = 4096 };

static int clamp(double value, int most)
{
    return !(value > 0) ? 0 : value >= most ? most : (int)value;
}

static void blend(uint8_t *pixel, draw_colour colour, double opacity)
{
    const uint8_t over[3] = {colour.red, colour.green, colour.blue};
    for (int k = 0; k < 3; k++)
        pixel[k] = (uint8_t)(pixel[k] + (over[k] - pixel[k]) * opacity + 0.5);
}

static void rectangle(draw_canvas *c, double x, double y, double width, double height, draw_colour colour,
                      double opacity)
{
    // A rectangle thinner than a pixel is one pixel thin.
    const int left = clamp(floor(x + 0.5), c->width);
    const int top = clamp(floor(y + 0.5), c->height);
    const int right = clamp(fmax(floor(x + width + 0.5), floor(x + 0.5) + 1), c->width);
    const int bottom = clamp(fmax(floor(y + height + 0.5), floor(y + 0.5) + 1), c->height);
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++)
            blend(c->pixels + 3 * ((size_t)row * (size_t)c->width + (size_t)column), colour, opacity);
}

/* Where the line from a, `d` long on each axis, enters and leaves what can be seen, as parts of its length. */
static bool clip(const draw_canvas *c, const double *a, const double *d, double margin, double *from, double *to)
{
    const double sizes[2] = {c->width, c->height};
    *from = 0;
    *to = 1;
    for (int k = 0; k < 2; k++) {
        double near = (-margin - a[k]) / d[k];
        double far = (sizes[k] + margin - a[k]) / d[k];
        if (d[k] == 0) {
            if (a[k] < -margin || a[k] > sizes[k] + margin)
                return false;
            continue;
        }
        *from = fmax(*from, fmin(near, far));
        *to = fmin(*to, fmax(near, far));
    }
    return *from <= *to;
}

static void segment(draw_canvas *c, const double *a, const double *b, double width, draw_colour colour)
{
    const double d[2] = {b[0] - a[0], b[1] - a[1]};
    double from = 0, to = 1;
    if (!clip(c, a, d, width, &from, &to))
        return;
    const double length = fmax(fabs(d[0]), fabs(d[1])) * (to - from);
    const int steps = (int)ceil(length) + 1;
    for (int i = 0; i <= steps; i++) {
        const double t = from + (to - from) * i / steps;
        rectangle(c, a[0] + d[0] * t - width / 2, a[1] + d[1] * t - width / 2, width, width, colour, 1);
    }
}

static void line(draw_canvas *c, const double *points, size_t n, bool is_closed, double width, draw_colour colour)
{
    for (size_t i = 0; i + 1 < n; i++)
        segment(c, points + 2 * i, points + 2 * i + 2, width, colour);
    if (is_closed || n == 1)
        segment(c, points + 2 * n - 2, points, width, colour);
}

static void mask(draw_canvas *c, const uint8_t *on, int width, int height, draw_colour colour, double opacity)
{
    for (int row = 0; row < c->height; row++) {
        const uint8_t *from = on + (size_t)((int64_t)row * height / c->height) * (size_t)width;
        for (int column = 0; column < c->width; column++)
            if (from[(int64_t)column * width / c->width])
                blend(c->pixels + 3 * ((size_t)row * (size_t)c->width + (size_t)column), colour, opacity);
    }
}

/* One '?' for each character that the font has not. */
static void to_ascii(const char *text, char *out, size_t room)
{
    size_t n = 0;
    for (; *text && n + 1 < room; text++) {
        const unsigned char byte = (unsigned char)*text;
        if ((byte & 0xC0) != 0x80)
            out[n++] = byte >= ' ' && byte < 127 ? *text : '?';
    }
    out[n] = 0;
}

static void text(draw_canvas *c, double x, double y, const char *words, double size, draw_colour colour)
{
    char ascii[512];
    to_ascii(words, ascii, sizeof ascii);
    float(*letters)[4] = malloc(MOST_LETTERS * sizeof *letters);
    const size_t n = letters ? draw_letters(ascii, letters, MOST_LETTERS) : 0;
    const double scale = size / FONT_HEIGHT;
    c->marks.failed = c->marks.failed || !letters;
    for (size_t i = 0; i < n; i++)
        rectangle(c, x + letters[i][0] * scale, y + letters[i][1] * scale, letters[i][2] * scale, letters[i][3] * scale,
                  colour, 1);
    free(letters);
}

static void encode(const draw_canvas *c, draw_bytes *out)
{
    draw_encode_png(out, c->pixels, c->width, c->height, 3);
}

const draw_kind draw_png = {
    .ending = ".png",
    .text_width = 0.65,
    .line = line,
    .rectangle = rectangle,
    .mask = mask,
    .text = text,
    .encode = encode,
};
