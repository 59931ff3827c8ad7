// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DRAW_CANVAS_IMPL_H
#define MARU_DRAW_CANVAS_IMPL_H

/* What the two kinds of canvas share. Sizes and ranges were checked by canvas.c. */

#include "draw/canvas.h"

/* Bytes that grow. {0} is empty; after memory ran out they stay as they are. */
typedef struct draw_bytes {
    char *data;  // NUL-terminated
    size_t count, capacity;
    bool failed;
} draw_bytes;

void draw_append(draw_bytes *bytes, const void *data, size_t count);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void draw_print(draw_bytes *bytes, const char *format, ...);

struct draw_canvas {
    const struct draw_kind *kind;
    int width, height;
    uint8_t *pixels;   // red, green, blue; NULL: white (SVG alone)
    draw_bytes marks;  // SVG: what is drawn over the picture
};

typedef struct draw_kind {
    const char *ending;
    double text_width;  // of a letter, as a part of the size
    void (*line)(draw_canvas *canvas, const double *points, size_t n, bool is_closed, double width,
                 draw_colour colour);
    void (*rectangle)(draw_canvas *canvas, double x, double y, double width, double height, draw_colour colour,
                      double opacity);
    void (*mask)(draw_canvas *canvas, const uint8_t *mask, int width, int height, draw_colour colour, double opacity);
    void (*text)(draw_canvas *canvas, double x, double y, const char *text, double size, draw_colour colour);
    void (*encode)(const draw_canvas *canvas, draw_bytes *out);
} draw_kind;

extern const draw_kind draw_png, draw_svg;

/* stb.c: a PNG of 3 or 4 channels. */
void draw_encode_png(draw_bytes *out, const uint8_t *pixels, int width, int height, int channels);
/* The letters of an ASCII text as rectangles {x, y, width, height} of a font 7 units high; gives how many. */
size_t draw_letters(const char *text, float (*out)[4], size_t most);
/* In units of that font. */
int draw_letters_width(const char *text);

#endif
