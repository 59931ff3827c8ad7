// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "draw/canvas.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw/canvas_impl.h"

enum { LARGEST_SIDE = 32768 };

/* ---- bytes ---- */

void draw_append(draw_bytes *bytes, const void *data, size_t count)
{
    if (bytes->failed)
        return;
    if (count >= bytes->capacity - bytes->count || !bytes->data) {
        const size_t capacity = (bytes->count + count + 64) * 2;
        char *grown = capacity > count ? realloc(bytes->data, capacity) : NULL;
        if (!grown) {
            bytes->failed = true;
            return;
        }
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    memcpy(bytes->data + bytes->count, data, count);
    bytes->count += count;
    bytes->data[bytes->count] = 0;
}

void draw_print(draw_bytes *bytes, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        bytes->failed = true;
    else
        draw_append(bytes, text, (size_t)n);
}

static maru_status fail(maru_status status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return maru_error_set(status, text);
}

/* ---- kinds ---- */

static bool ends_with(const char *path, const char *ending)
{
    const size_t n = strlen(path);
    const size_t n_ending = strlen(ending);
    for (size_t i = 0; i < n_ending; i++)
        if (n < n_ending || tolower((unsigned char)path[n - n_ending + i]) != ending[i])
            return false;
    return true;
}

static const draw_kind *kind_of(const char *path)
{
    static const draw_kind *const kinds[] = {&draw_png, &draw_svg};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (ends_with(path, kinds[i]->ending))
            return kinds[i];
    return NULL;
}

bool draw_is_known(const char *path)
{
    return kind_of(path) != NULL;
}

/* ---- making and writing ---- */

maru_status draw_create(const char *path, int width, int height, const uint8_t *pixels, draw_canvas **out_canvas)
{
    const draw_kind *kind = kind_of(path);
    *out_canvas = NULL;
    if (!kind)
        return fail(MARU_INVALID_ARGUMENT, "%s: what is drawn is a .png or an .svg", path);
    if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE)
        return fail(MARU_INVALID_ARGUMENT, "%s: a drawing of %d x %d pixels is not within 1 to %d", path, width,
                              height, LARGEST_SIDE);
    const size_t bytes = (size_t)width * (size_t)height * 3;
    const bool has_pixels = pixels || kind == &draw_png;
    draw_canvas *c = calloc(1, sizeof *c);
    uint8_t *copy = c && has_pixels ? malloc(bytes) : NULL;
    if (!c || (has_pixels && !copy)) {
        free(c);
        return fail(MARU_RESOURCE_EXHAUSTED, "%s: out of memory for %d x %d pixels", path, width, height);
    }
    if (copy && pixels)
        memcpy(copy, pixels, bytes);
    else if (copy)
        memset(copy, 255, bytes);
    *c = (draw_canvas){.kind = kind, .width = width, .height = height, .pixels = copy};
    *out_canvas = c;
    return MARU_OK;
}

void draw_destroy(draw_canvas **canvas)
{
    draw_canvas *c = *canvas;
    *canvas = NULL;
    if (!c)
        return;
    free(c->pixels);
    free(c->marks.data);
    free(c);
}

/* Beside the file first, so that a full disk leaves no half of it. */
static bool write_whole(const char *path, const draw_bytes *bytes)
{
    draw_bytes beside = {0};
    draw_print(&beside, "%s.part", path);
    FILE *f = beside.failed ? NULL : fopen(beside.data, "wb");
    bool ok = f && fwrite(bytes->data, 1, bytes->count, f) == bytes->count;
    if (f)
        ok = fclose(f) == 0 && ok;
    ok = ok && rename(beside.data, path) == 0;
    if (f && !ok)
        remove(beside.data);
    free(beside.data);
    return ok;
}

maru_status draw_finish(draw_canvas **canvas, const char *path)
{
    draw_bytes file = {.failed = (*canvas)->marks.failed};
    if (!file.failed)
        (*canvas)->kind->encode(*canvas, &file);
    draw_destroy(canvas);
    maru_status status = MARU_OK;
    if (file.failed)
        status = fail(MARU_RESOURCE_EXHAUSTED, "%s: out of memory for the drawing", path);
    else if (!write_whole(path, &file))
        status = fail(MARU_PERMISSION_DENIED, "%s cannot be written", path);
    free(file.data);
    return status;
}

/* ---- drawing ---- */

/* What a model gives may be anything; what is no number or far away is not drawn. */
static bool is_near(double value)
{
    return fabs(value) < 1e6;  // false for NaN
}

void draw_line(draw_canvas *canvas, const double *points, size_t n, bool is_closed, double width, draw_colour colour)
{
    for (size_t i = 0; i < 2 * n; i++)
        if (!is_near(points[i]))
            return;
    if (n > 0)
        canvas->kind->line(canvas, points, n, is_closed, width, colour);
}

void draw_rectangle(draw_canvas *canvas, double x, double y, double width, double height, draw_colour colour,
                    double opacity)
{
    if (width > 0 && height > 0 && is_near(x) && is_near(y) && is_near(width) && is_near(height))
        canvas->kind->rectangle(canvas, x, y, width, height, colour, opacity);
}

void draw_mask(draw_canvas *canvas, const uint8_t *mask, int width, int height, draw_colour colour, double opacity)
{
    if (width > 0 && height > 0)
        canvas->kind->mask(canvas, mask, width, height, colour, opacity);
}

void draw_text(draw_canvas *canvas, double x, double y, const char *text, double size, draw_colour colour)
{
    if (*text && is_near(x) && is_near(y))
        canvas->kind->text(canvas, x, y, text, size, colour);
}

bool draw_can_show(const draw_canvas *canvas, const char *text)
{
    bool is_ascii = true;
    for (const char *c = text; *c; c++)
        is_ascii = is_ascii && (unsigned char)*c >= ' ' && (unsigned char)*c < 127;
    return is_ascii || canvas->kind != &draw_png;
}

/* Of letters from Hangul Jamo on, which is where wide scripts begin, as many as two. */
static size_t count_letters(const char *text)
{
    size_t n = 0;
    for (const char *c = text; *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        if ((byte & 0xC0) != 0x80)
            n += byte >= 0xE1 ? 2 : 1;
    }
    return n;
}

double draw_text_width(const draw_canvas *canvas, const char *text, double size)
{
    return (double)count_letters(text) * size * canvas->kind->text_width;
}

draw_colour draw_ink_on(draw_colour colour)
{
    const double light = 0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue;
    return light > 140 ? (draw_colour){0, 0, 0} : (draw_colour){255, 255, 255};
}
