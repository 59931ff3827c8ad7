// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw/canvas.h"
#include "tool/show.h"
#include "tool/tool.h"

/* A picture is drawn as large as it is, or a whole number of times larger; a sound as waves above each other. */
enum {
    SMALL_SIDE = 480,
    SOUND_WIDTH = 1200,
    TRACK_HEIGHT = 160,
    AXIS_HEIGHT = 28,
    MOST_BARS = 5,
    BAR_WIDTH = 40,  // letters, on a terminal
};

static const draw_colour palette[] = {
    {230, 57, 70}, {42, 157, 143}, {255, 183, 3}, {69, 123, 157}, {155, 93, 229}, {241, 91, 181},
};
static const draw_colour grey = {110, 110, 110};
static const draw_colour wave = {69, 123, 157};

typedef struct view {
    maru_script *script;
    draw_canvas *canvas;
    int width, height;
    double scale;    // pixels of the canvas for one of the picture
    double stroke;
    double text;     // height of letters
    double seconds;  // of the sound; 0 for a picture
    size_t n_drawn;  // layers, for colours
} view;

static draw_colour colour_of(size_t index)
{
    return palette[index % (sizeof palette / sizeof *palette)];
}

/* ---- outputs ---- */

static const maru_file_value *find_output(const maru_script *script, const char *name)
{
    const char *found = NULL;
    const maru_file_value *value = NULL;
    for (size_t i = 0; name && maru_script_output(script, i, &found, &value); i++)
        if (strcmp(found, name) == 0)
            return value;
    return NULL;
}

static int64_t count_of(const maru_file_value *value)
{
    return !value ? 0 : value->is_strings ? (int64_t)value->strings.count : maru_tensor_count(&value->tensor);
}

static double number_at(const maru_file_value *value, int64_t index)
{
    return value && !value->is_strings && index < count_of(value) ? maru_tensor_get_f64(&value->tensor, index) : 0;
}

/* "cat 0.98" of item `index`; "" where the layer has neither. With a picture that cannot show it, its number. */
static const char *label_of(const view *v, const maru_script_layer *layer, int64_t index, char *room, size_t n)
{
    const maru_file_value *labels = find_output(v->script, layer->labels);
    const maru_file_value *scores = find_output(v->script, layer->scores);
    char number[32];
    const char *text = "";
    if (!labels && layer->kind == MARU_LAYER_BARS) {
        snprintf(number, sizeof number, "%lld", (long long)index);
        text = number;
    } else if (index < count_of(labels) && labels->is_strings) {
        text = labels->strings.items[index];
    } else if (index < count_of(labels)) {
        snprintf(number, sizeof number, "%g", number_at(labels, index));
        text = number;
    }
    if (v->canvas && !draw_can_show(v->canvas, text)) {
        snprintf(number, sizeof number, "#%lld", (long long)index + 1);
        text = number;
    }
    if (index < count_of(scores) && !scores->is_strings)
        snprintf(room, n, "%s%s%.2f", text, *text ? " " : "", number_at(scores, index));
    else
        snprintf(room, n, "%s", text);
    return room;
}

/* ---- on a picture ---- */

static void draw_label(const view *v, double x, double y, const char *text, draw_colour colour)
{
    const double width = draw_text_width(v->canvas, text, v->text) + v->text * 0.5;
    if (!*text)
        return;
    x = fmax(fmin(x, v->width - width), 0);
    y = y - v->text * 1.2 < 0 ? y : y - v->text * 1.2;
    draw_rectangle(v->canvas, x, y, width, v->text * 1.2, colour, 0.85);
    draw_text(v->canvas, x + v->text * 0.25, y + v->text * 0.15, text, v->text, draw_ink_on(colour));
}

/* Polygons of `n_points` each: four numbers of a box, or two for each corner. */
static void draw_polygons(const view *v, const maru_script_layer *layer, const maru_file_value *value, bool are_boxes)
{
    const draw_colour colour = colour_of(v->n_drawn);
    const int64_t step = are_boxes ? 4 : 8;
    for (int64_t i = 0; (i + 1) * step <= count_of(value); i++) {
        static const int box[8] = {0, 1, 2, 1, 2, 3, 0, 3};
        double points[8];
        char room[256];
        for (int k = 0; k < 8; k++)
            points[k] = number_at(value, i * step + (are_boxes ? box[k] : k)) * v->scale;
        draw_line(v->canvas, points, 4, true, v->stroke, colour);
        draw_label(v, points[0], points[1], label_of(v, layer, i, room, sizeof room), colour);
    }
}

static void draw_points(const view *v, const maru_file_value *value)
{
    const double side = v->stroke * 2.5;
    for (int64_t i = 0; i + 1 < count_of(value); i += 2)
        draw_rectangle(v->canvas, number_at(value, i) * v->scale - side / 2,
                       number_at(value, i + 1) * v->scale - side / 2, side, side, colour_of(v->n_drawn), 1);
}

static maru_status draw_mask_of(const view *v, const maru_script_layer *layer, const maru_file_value *value)
{
    const maru_tensor *t = &value->tensor;
    const bool is_plane = !value->is_strings && t->rank >= 2 && t->dims[t->rank - 2] * t->dims[t->rank - 1] ==
                          maru_tensor_count(t) && t->dims[t->rank - 2] <= 32768 && t->dims[t->rank - 1] <= 32768;
    const int64_t n = count_of(value);
    uint8_t *on = is_plane && n ? malloc((size_t)n) : NULL;
    if (!is_plane)
        fprintf(stderr, "maru: output '%s' is no mask: [height, width] is drawn\n", layer->output);
    if (!on)
        return is_plane && n ? MARU_RESOURCE_EXHAUSTED : MARU_OK;
    for (int64_t i = 0; i < n; i++)
        on[i] = number_at(value, i) > 0.5;
    draw_mask(v->canvas, on, (int)t->dims[t->rank - 1], (int)t->dims[t->rank - 2], colour_of(v->n_drawn), 0.45);
    free(on);
    return MARU_OK;
}

/* In the upper left corner. */
static void draw_bars(const view *v, const maru_script_layer *layer, const maru_file_value *value)
{
    const double row = v->text * 1.5;
    const double width = fmin(v->width * 0.6, v->text * 24);
    for (int64_t i = 0; i < count_of(value) && i < MOST_BARS; i++) {
        char label[200], room[256];
        const double y = v->text * 0.5 + row * (double)i;
        const double part = fmin(fmax(number_at(value, i), 0), 1);
        snprintf(room, sizeof room, "%s %.3f", label_of(v, layer, i, label, sizeof label), number_at(value, i));
        draw_rectangle(v->canvas, v->text * 0.5, y, width, row, (draw_colour){0, 0, 0}, 0.55);
        draw_rectangle(v->canvas, v->text * 0.5, y, width * part, row, colour_of((size_t)i), 0.75);
        draw_text(v->canvas, v->text, y + row * 0.2, room, v->text, (draw_colour){255, 255, 255});
    }
}

/* ---- on a sound ---- */

/* The least and the largest sample below each pixel, of the first channel. */
static maru_status draw_wave(const view *v, const maru_tensor *t, double top)
{
    const int64_t n = t->rank ? t->dims[t->rank - 1] : 0;
    double *points = malloc(4 * SOUND_WIDTH * sizeof *points);
    double loudest = 1e-6;
    if (!points)
        return MARU_RESOURCE_EXHAUSTED;
    for (int64_t i = 0; i < n; i++)
        loudest = fmax(loudest, fabs(maru_tensor_get_f64(t, i)));
    for (int64_t x = 0; x < SOUND_WIDTH; x++) {
        double least = INFINITY, most = -INFINITY;
        for (int64_t i = x * n / SOUND_WIDTH; i < (x + 1) * n / SOUND_WIDTH; i++) {
            least = fmin(least, maru_tensor_get_f64(t, i));
            most = fmax(most, maru_tensor_get_f64(t, i));
        }
        points[4 * x] = points[4 * x + 2] = (double)x;
        points[4 * x + 1] = top + TRACK_HEIGHT * (0.5 - 0.45 * (isfinite(least) ? least : 0) / loudest);
        points[4 * x + 3] = top + TRACK_HEIGHT * (0.5 - 0.45 * (isfinite(most) ? most : 0) / loudest);
    }
    draw_line(v->canvas, points, 2 * SOUND_WIDTH, false, 1, wave);
    free(points);
    return MARU_OK;
}

static double x_of(const view *v, double seconds)
{
    return seconds / fmax(v->seconds, 1e-9) * SOUND_WIDTH;
}

static void draw_segments(const view *v, const maru_script_layer *layer, const maru_file_value *value)
{
    for (int64_t i = 0; i + 1 < count_of(value); i += 2) {
        const double from = x_of(v, number_at(value, i));
        char room[256];
        draw_rectangle(v->canvas, from, 0, x_of(v, number_at(value, i + 1)) - from, TRACK_HEIGHT,
                       colour_of(v->n_drawn), 0.25);
        draw_label(v, from, v->text * 1.3, label_of(v, layer, i / 2, room, sizeof room), colour_of(v->n_drawn));
    }
}

static maru_status draw_curve(const view *v, const maru_script_layer *layer, const maru_file_value *value)
{
    const int64_t n = count_of(value);
    const double every = layer->every > 0 ? layer->every : v->seconds / (double)(n ? n : 1);
    double *points = n && n < 1 << 20 ? malloc(2 * (size_t)n * sizeof *points) : NULL;
    if (!points)
        return n && n < 1 << 20 ? MARU_RESOURCE_EXHAUSTED : MARU_OK;
    for (int64_t i = 0; i < n; i++) {
        points[2 * i] = x_of(v, ((double)i + 0.5) * every);
        points[2 * i + 1] = TRACK_HEIGHT * (0.97 - 0.94 * fmin(fmax(number_at(value, i), 0), 1));
    }
    draw_line(v->canvas, points, (size_t)n, false, 1.5, colour_of(v->n_drawn + 1));
    free(points);
    return MARU_OK;
}

/* A mark every so many seconds that there are about ten of them. */
static void draw_axis(const view *v)
{
    static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600};
    size_t step = 0;
    while (step + 1 < sizeof steps / sizeof *steps && v->seconds / steps[step] > 12)
        step++;
    for (int i = 0; i * steps[step] < v->seconds && i < 1000; i++) {
        char room[32];
        const double x = x_of(v, i * steps[step]);
        draw_rectangle(v->canvas, x, v->height - AXIS_HEIGHT, 1, 6, grey, 1);
        snprintf(room, sizeof room, "%g s", i * steps[step]);
        draw_text(v->canvas, x + 4, v->height - AXIS_HEIGHT + 8, room, v->text, grey);
    }
}

/* ---- layers ---- */

static maru_status draw_layer(view *v, const maru_script_layer *layer, const maru_file_value *value, size_t *n_waves)
{
    const bool is_sound = v->seconds > 0;
    maru_status status = MARU_OK;
    switch (layer->kind) {
    case MARU_LAYER_BOXES: draw_polygons(v, layer, value, true); break;
    case MARU_LAYER_CORNERS: draw_polygons(v, layer, value, false); break;
    case MARU_LAYER_POINTS: draw_points(v, value); break;
    case MARU_LAYER_MASK: status = draw_mask_of(v, layer, value); break;
    case MARU_LAYER_BARS: draw_bars(v, layer, value); break;
    case MARU_LAYER_SOUND:
        if (is_sound && !value->is_strings)
            status = draw_wave(v, &value->tensor, (double)(++*n_waves * TRACK_HEIGHT));
        break;
    case MARU_LAYER_SEGMENTS:
        if (is_sound)
            draw_segments(v, layer, value);
        break;
    case MARU_LAYER_CURVE: status = is_sound ? draw_curve(v, layer, value) : MARU_OK; break;
    case MARU_LAYER_KINDS: break;
    }
    v->n_drawn++;
    return status;
}

static size_t count_layers(maru_script *script, bool of_sound)
{
    maru_script_layer layer;
    size_t n = 0;
    for (size_t i = 0; maru_script_layer_at(script, i, &layer); i++)
        n += !of_sound || (layer.kind == MARU_LAYER_SOUND && find_output(script, layer.output));
    return n;
}

static maru_status draw_layers(view *v)
{
    maru_script_layer layer;
    maru_status status = MARU_OK;
    size_t n_waves = 0;
    for (size_t i = 0; status == MARU_OK && maru_script_layer_at(v->script, i, &layer); i++) {
        const maru_file_value *value = find_output(v->script, layer.output);
        if (value)
            status = draw_layer(v, &layer, value, &n_waves);
    }
    return status;
}

/* ---- what is drawn on ---- */

static bool is_picture(const maru_file_value *input)
{
    const maru_tensor *t = &input->tensor;
    return !input->is_strings && t->dtype == MARU_U8 && (t->rank == 2 || (t->rank == 3 && t->dims[2] <= 4)) &&
           maru_tensor_count(t) > 0;
}

static bool is_sound(const maru_file_value *input)
{
    return !input->is_strings && input->sample_rate && input->tensor.rank && maru_tensor_count(&input->tensor) > 0;
}

bool can_draw_on(const maru_file_value *input)
{
    return is_picture(input) || is_sound(input);
}

/* Red, green and blue of a picture, each pixel `scale` times as large. */
static uint8_t *enlarge(const maru_tensor *t, int scale)
{
    const int64_t channels = t->rank == 3 ? t->dims[2] : 1;
    const int64_t width = t->dims[1] * scale;
    const int64_t height = t->dims[0] * scale;
    uint8_t *out = width <= 32768 && height <= 32768 ? malloc((size_t)(width * height * 3)) : NULL;
    const uint8_t *from = t->data;
    for (int64_t y = 0; out && y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t k = 0; k < 3; k++)
                out[3 * (y * width + x) + k] =
                    from[(y / scale * t->dims[1] + x / scale) * channels + (channels < 3 ? 0 : k)];
    return out;
}

static maru_status open_picture(view *v, const maru_tensor *t, const char *path)
{
    const int64_t longer = t->dims[0] > t->dims[1] ? t->dims[0] : t->dims[1];
    const int scale = longer < SMALL_SIDE ? (int)((SMALL_SIDE + longer - 1) / longer) : 1;
    uint8_t *pixels = enlarge(t, scale);
    if (!pixels)
        return maru_error_set(MARU_RESOURCE_EXHAUSTED, "the picture is too large to be drawn on");
    v->width = (int)t->dims[1] * scale;
    v->height = (int)t->dims[0] * scale;
    v->scale = scale;
    v->stroke = fmax(2, (double)longer * scale / 400);
    v->text = fmax(10, (double)longer * scale / 60);
    const maru_status status = draw_create(path, v->width, v->height, pixels, &v->canvas);
    free(pixels);
    return status;
}

static maru_status open_sound(view *v, const maru_file_value *input, const char *path)
{
    const maru_tensor *t = &input->tensor;
    v->width = SOUND_WIDTH;
    v->height = (int)(1 + count_layers(v->script, true)) * TRACK_HEIGHT + AXIS_HEIGHT;
    v->stroke = 1;
    v->text = 14;
    v->seconds = (double)t->dims[t->rank - 1] / input->sample_rate;
    const maru_status status = draw_create(path, v->width, v->height, NULL, &v->canvas);
    if (status != MARU_OK)
        return status;
    draw_axis(v);
    return draw_wave(v, t, 0);
}

/* ---- on a terminal ---- */

static void print_bars(const view *v, const maru_script_layer *layer, const maru_file_value *value)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t widest = 0;
    char room[256];
    for (int64_t i = 0; i < count_of(value); i++) {
        const size_t n = strlen(label_of(v, layer, i, room, sizeof room));
        widest = n > widest ? n : widest;
    }
    for (int64_t i = 0; i < count_of(value); i++) {
        const double part = fmin(fmax(number_at(value, i), 0), 1);
        const int steps = (int)(part * BAR_WIDTH * 8 + 0.5);
        printf("%-*s ", (int)widest, label_of(v, layer, i, room, sizeof room));
        for (int k = 0; k < BAR_WIDTH; k++)
            fputs(k < steps / 8 ? "█" : k == steps / 8 ? (steps % 8 ? eighths[steps % 8] : " ") : " ", stdout);
        printf(" %.3f\n", number_at(value, i));
    }
}

static void print_curve(const maru_file_value *value)
{
    static const char *const levels[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const int64_t n = count_of(value);
    const int64_t width = n < 2 * BAR_WIDTH ? n : 2 * BAR_WIDTH;
    for (int64_t x = 0; x < width; x++) {
        double most = 0;
        for (int64_t i = x * n / width; i < (x + 1) * n / width; i++)
            most = fmax(most, number_at(value, i));
        fputs(levels[(int)(fmin(most, 1) * 8 + 0.5)], stdout);
    }
    fputc('\n', stdout);
}

static maru_status print_layers(maru_script *script)
{
    const view v = {.script = script};
    maru_script_layer layer;
    size_t n = 0;
    for (size_t i = 0; maru_script_layer_at(script, i, &layer); i++) {
        const maru_file_value *value = find_output(script, layer.output);
        if (!value || value->is_strings)
            continue;
        n += layer.kind == MARU_LAYER_BARS || layer.kind == MARU_LAYER_CURVE;
        if (layer.kind == MARU_LAYER_BARS)
            print_bars(&v, &layer, value);
        else if (layer.kind == MARU_LAYER_CURVE)
            print_curve(value);
    }
    return n ? MARU_OK : maru_error_set(MARU_INVALID_ARGUMENT, "--draw -: bars and curves are drawn as text, and the "
                                        "model gives none: name a .png or .svg file");
}

/* ---- the whole ---- */

bool is_drawing(const char *path)
{
    if (strcmp(path, "-") == 0 || draw_is_known(path))
        return true;
    fprintf(stderr, "maru: --draw %s: the name must end in .png or .svg, or be -\n", path);
    return false;
}

maru_status draw_outputs(maru_script *script, const maru_file_value *input, const char *path)
{
    view v = {.script = script, .scale = 1};
    if (count_layers(script, false) == 0)
        return maru_error_set(MARU_INVALID_ARGUMENT,
                              "--draw: the model says of no output how it is drawn (draw = { ... })");
    if (strcmp(path, "-") == 0)
        return print_layers(script);
    if (!input)
        return maru_error_set(MARU_INVALID_ARGUMENT, "--draw: there is no picture and no sound among the inputs");
    maru_status status = is_picture(input) ? open_picture(&v, &input->tensor, path) : open_sound(&v, input, path);
    if (status == MARU_OK)
        status = draw_layers(&v);
    if (status == MARU_OK)
        return draw_finish(&v.canvas, path);
    draw_destroy(&v.canvas);
    return status;
}
