// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DRAW_CANVAS_H
#define MARU_DRAW_CANVAS_H

/*
 * A picture that is drawn on and written as PNG or SVG. Places are in pixels,
 * (0, 0) being the upper left corner; what lies outside is not seen, and a mark
 * with a coordinate that is no number, or a million and more, is not drawn. One thread
 * at a time. A canvas that runs out of memory draws no more and says so when it
 * is written.
 */

#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct draw_colour {
    uint8_t red, green, blue;
} draw_colour;

typedef struct draw_canvas draw_canvas;

/* Whether the ending is one of .png and .svg, in any case. */
bool draw_is_known(const char *path);

/*
 * A white picture for a file of that name; or with `pixels`, red, green and
 * blue of each row after the other, what they show; they are copied.
 * INVALID_ARGUMENT for another ending or a size that is not within 1 to 32768.
 */
MARU_NODISCARD maru_status draw_create(const char *path, int width, int height, const uint8_t *pixels,
                                       draw_canvas **out_canvas);
/* Writes the file, whole or not at all, and destroys the canvas in any case. */
MARU_NODISCARD maru_status draw_finish(draw_canvas **canvas, const char *path);
void draw_destroy(draw_canvas **canvas);

/* A line through n points (x, y), back to the first one if it is closed. */
void draw_line(draw_canvas *canvas, const double *points, size_t n, bool is_closed, double width, draw_colour colour);
/* `opacity` is 0 to 1. */
void draw_rectangle(draw_canvas *canvas, double x, double y, double width, double height, draw_colour colour,
                    double opacity);
/* The whole canvas where `mask`, width x height bytes, is not 0, stretched over it. */
void draw_mask(draw_canvas *canvas, const uint8_t *mask, int width, int height, draw_colour colour, double opacity);
/*
 * UTF-8 with its upper left corner at (x, y), `size` pixels high. In a PNG what
 * is not ASCII is '?': see draw_can_show.
 */
void draw_text(draw_canvas *canvas, double x, double y, const char *text, double size, draw_colour colour);
/* About how many pixels a text is wide. */
double draw_text_width(const draw_canvas *canvas, const char *text, double size);
bool draw_can_show(const draw_canvas *canvas, const char *text);

/* What a text on `colour` can be read in. */
draw_colour draw_ink_on(draw_colour colour);

#endif
