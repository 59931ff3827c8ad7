// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

// stb's code does not keep to our warnings, and is private to this file: the library has a copy of its own.

#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

#include <stb/stb_easy_font.h>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

#include "draw/canvas_impl.h"

static void append(void *ctx, void *data, int size)
{
    draw_append(ctx, data, (size_t)size);
}

void draw_encode_png(draw_bytes *out, const uint8_t *pixels, int width, int height, int channels)
{
    if (!stbi_write_png_to_func(append, out, width, height, channels, pixels, width * channels))
        out->failed = true;
}

size_t draw_letters(const char *text, float (*out)[4], size_t most)
{
    static const size_t vertex_bytes = 16, quad_bytes = 64;
    char *quads = malloc(most * quad_bytes);
    if (!quads)
        return 0;
    // A text has more letters than rectangles are wanted at most: what does not fit is left out.
    const int n = stb_easy_font_print(0, 0, (char *)(uintptr_t)text, NULL, quads, (int)(most * quad_bytes));
    for (int i = 0; i < n; i++) {
        float corner[2], opposite[2];
        memcpy(corner, quads + (size_t)i * quad_bytes, sizeof corner);
        memcpy(opposite, quads + (size_t)i * quad_bytes + 2 * vertex_bytes, sizeof opposite);
        out[i][0] = corner[0];
        out[i][1] = corner[1];
        out[i][2] = opposite[0] - corner[0];
        out[i][3] = opposite[1] - corner[1];
    }
    free(quads);
    return n > 0 ? (size_t)n : 0;
}

int draw_letters_width(const char *text)
{
    return stb_easy_font_width((char *)(uintptr_t)text);
}
