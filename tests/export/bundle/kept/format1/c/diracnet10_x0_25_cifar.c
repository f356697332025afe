/* diracnet10_x0_25_cifar:mine: the net. See diracnet10_x0_25_cifar.h. */
#include "diracnet10_x0_25_cifar.h"

#include <string.h>

#ifndef DIRACNET10_X0_25_CIFAR_WEIGHTS_2994f04fd37e7e20
#error "diracnet10_x0_25_cifar.c and diracnet10_x0_25_cifar.h are not of the same net"
#endif
#if (-3 >> 1) != -2
#error "this compiler does not shift negative numbers arithmetically"
#endif

#define BLOCK 16 /* filters whose sums are kept at once */

/* Returns sum * multiplier * 2^(shift - 31) + zero, from lowest to 255. Rounded twice, as LiteRT does. */
static int32_t requantize(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero, int32_t lowest)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)(sum * ((int32_t)1 << left)) * multiplier;
    const int32_t high = (int32_t)((product + ((int64_t)1 << 30)) >> 31);
    const int32_t mask = (int32_t)(((uint32_t)1 << right) - 1);
    const int32_t threshold = (mask >> 1) + (high < 0);
    const int32_t value = (high >> right) + ((high & mask) > threshold) + zero;

    return value < lowest ? lowest : value > 255 ? 255 : value;
}

static int32_t dot(const uint8_t *patch, const int8_t *weight, int32_t count)
{
    int32_t sum = 0;

    for (int32_t i = 0; i < count; i++)
        sum += patch[i] * weight[i];
    return sum;
}

/* Adds to four sums the products of a patch with four filters, so that a byte of the patch is read once for all. */
static void add_four(const uint8_t *patch, const int8_t *weight, int32_t count, int32_t *sums)
{
    const int8_t *const second = weight + count, *const third = second + count, *const fourth = third + count;
    int32_t a = 0, b = 0, c = 0, d = 0;

    for (int32_t i = 0; i < count; i++) {
        a += patch[i] * weight[i];
        b += patch[i] * second[i];
        c += patch[i] * third[i];
        d += patch[i] * fourth[i];
    }
    sums[0] += a;
    sums[1] += b;
    sums[2] += c;
    sums[3] += d;
}

/* Computes one output pixel from its patch, some filters at a time. */
static void filter(const diracnet10_x0_25_cifar_layer *layer, const uint8_t *patch, uint8_t *output)
{
    const int8_t *weight = layer->weight;
    const int32_t zero = layer->output_zero, lowest = layer->lowest;

    for (int32_t o = 0; o < layer->outputs; o += BLOCK) {
        const int32_t *const multiplier = layer->multiplier + o, *const shift = layer->shift + o;
        const int32_t count = layer->outputs - o < BLOCK ? layer->outputs - o : BLOCK;
        int32_t sums[BLOCK], i = 0;

        memcpy(sums, layer->bias + o, (size_t)count * sizeof *sums);
        for (; i + 4 <= count; i += 4, weight += 4 * layer->patch)
            add_four(patch, weight, layer->patch, sums + i);
        for (; i < count; i++, weight += layer->patch)
            sums[i] += dot(patch, weight, layer->patch);
        /* All numbers of this loop have 32 bits, so that compilers find vector instructions for it. */
        for (i = 0; i < count; i++)
            sums[i] = requantize(sums[i], multiplier[i], shift[i], zero, lowest);
        for (i = 0; i < count; i++)
            output[o + i] = (uint8_t)sums[i];
    }
}

static int inside(int32_t place, int32_t size)
{
    return place >= 0 && place < size;
}

/* The first convolution: takes the picture itself. */
static void convolve_picture(const diracnet10_x0_25_cifar_layer *layer, const uint8_t *picture, uint8_t *output, uint8_t *patch)
{
    const int32_t channels = layer->inputs;
    const int32_t last = layer->size + 2 * layer->padding - layer->kernel;

    for (int32_t y = 0; y <= last; y += layer->stride)
        for (int32_t x = 0; x <= last; x += layer->stride, output += layer->outputs) {
            uint8_t *next = patch;

            for (int32_t j = y - layer->padding; j < y - layer->padding + layer->kernel; j++)
                for (int32_t i = x - layer->padding; i < x - layer->padding + layer->kernel; i++)
                    for (int32_t c = 0; c < channels; c++) {
                        const int there = inside(j, layer->size) && inside(i, layer->size);

                        *next++ = there ? diracnet10_x0_25_cifar_codes[c][picture[(j * layer->size + i) * channels + c]] : layer->zero;
                    }
            filter(layer, patch, output);
        }
}

/* Copies a row of a patch, whose first column may lie outside the map, as may all of the row. Returns its end. */
static uint8_t *copy_row(const diracnet10_x0_25_cifar_layer *layer, const uint8_t *row, int32_t first, uint8_t *next)
{
    const int32_t count = layer->inputs, end = first + layer->kernel;

    if (row != NULL && first >= 0 && end <= layer->size) {
        memcpy(next, row + first * count, (size_t)(layer->kernel * count));
        return next + layer->kernel * count;
    }
    for (int32_t i = first; i < end; i++, next += count)
        if (row != NULL && inside(i, layer->size))
            memcpy(next, row + i * count, (size_t)count);
        else
            memset(next, layer->zero, (size_t)count);
    return next;
}

/* A convolution from map to map.
 *
 * With a ring, output is input: rows up to the one at hand are kept in the ring, because they are overwritten.
 */
static void convolve(const diracnet10_x0_25_cifar_layer *layer, const uint8_t *input, uint8_t *output, uint8_t *patch, uint8_t *ring)
{
    const int32_t bytes = layer->size * layer->inputs;
    const int32_t last = layer->size + 2 * layer->padding - layer->kernel;
    const int32_t slots = layer->padding + 1;

    for (int32_t y = 0; y <= last; y += layer->stride) {
        if (ring != NULL)
            memcpy(ring + y % slots * bytes, input + y * bytes, (size_t)bytes);
        for (int32_t x = 0; x <= last; x += layer->stride, output += layer->outputs) {
            uint8_t *next = patch;

            for (int32_t j = y - layer->padding; j < y - layer->padding + layer->kernel; j++) {
                const uint8_t *row = NULL;

                if (inside(j, layer->size))
                    row = ring != NULL && j <= y ? ring + j % slots * bytes : input + j * bytes;
                next = copy_row(layer, row, x - layer->padding, next);
            }
            filter(layer, patch, output);
        }
    }
}

/* Output may be input: it is written from the front, behind what is still to be read. */
static void max_pool(const uint8_t *input, uint8_t *output, int32_t size, int32_t channels, int32_t window,
                     int32_t stride, int32_t padding)
{
    const int32_t last = size + 2 * padding - window;

    for (int32_t y = -padding; y <= last - padding; y += stride)
        for (int32_t x = -padding; x <= last - padding; x += stride)
            for (int32_t c = 0; c < channels; c++) {
                uint8_t largest = 0;

                for (int32_t j = y; j < y + window; j++)
                    for (int32_t i = x; i < x + window; i++)
                        if (inside(j, size) && inside(i, size) && input[(j * size + i) * channels + c] > largest)
                            largest = input[(j * size + i) * channels + c];
                *output++ = largest;
            }
}

/* The average of each channel; output may be input. */
static void mean(const uint8_t *input, uint8_t *output, int32_t pixels, int32_t channels, int32_t zero,
                 int32_t multiplier, int32_t shift, int32_t output_zero)
{
    for (int32_t c = 0; c < channels; c++) {
        int32_t sum = 0;

        for (int32_t i = 0; i < pixels; i++)
            sum += input[i * channels + c] - zero;
        output[c] = (uint8_t)requantize(sum, multiplier, shift, output_zero, 0);
    }
}

int diracnet10_x0_25_cifar_logits(const uint8_t rgb[DIRACNET10_X0_25_CIFAR_PIXELS], int8_t logits[DIRACNET10_X0_25_CIFAR_CLASSES], void *scratch)
{
    uint8_t *const memory = (uint8_t *)scratch, *const codes = (uint8_t *)logits;

    if (rgb == NULL || logits == NULL || scratch == NULL)
        return -1;

    /* conv: 32 x 32 x 3 -> 32 x 32 x 4 */
    convolve_picture(&diracnet10_x0_25_cifar_layers[0], rgb, memory + 0, memory + 4096);

    /* group0.block0.conv: 32 x 32 x 4 -> 32 x 32 x 4 */
    convolve(&diracnet10_x0_25_cifar_layers[1], memory + 0, memory + 0, memory + 4096, memory + 4132);

    /* group0.block1.conv: 32 x 32 x 4 -> 32 x 32 x 4 */
    convolve(&diracnet10_x0_25_cifar_layers[2], memory + 0, memory + 0, memory + 4096, memory + 4132);

    /* group1.block0.conv.max_pool: 32 x 32 x 4 -> 16 x 16 x 4 */
    max_pool(memory + 0, memory + 0, 32, 4, 2, 2, 0);

    /* group1.block0.conv: 16 x 16 x 4 -> 16 x 16 x 8 */
    convolve(&diracnet10_x0_25_cifar_layers[3], memory + 0, memory + 1024, memory + 3072, NULL);

    /* group1.block1.conv: 16 x 16 x 8 -> 16 x 16 x 8 */
    convolve(&diracnet10_x0_25_cifar_layers[4], memory + 1024, memory + 1024, memory + 0, memory + 72);

    /* group2.block0.conv.max_pool: 16 x 16 x 8 -> 8 x 8 x 8 */
    max_pool(memory + 1024, memory + 1024, 16, 8, 2, 2, 0);

    /* group2.block0.conv: 8 x 8 x 8 -> 8 x 8 x 16 */
    convolve(&diracnet10_x0_25_cifar_layers[5], memory + 1024, memory + 0, memory + 1536, NULL);

    /* group2.block1.conv: 8 x 8 x 16 -> 8 x 8 x 16 */
    convolve(&diracnet10_x0_25_cifar_layers[6], memory + 0, memory + 0, memory + 1024, memory + 1168);

    /* avg_pool: 8 x 8 x 16 -> 1 x 1 x 16 */
    mean(memory + 0, memory + 0, 64, 16, 0, 1923119685, -5, 0);

    /* fc: 1 x 1 x 16 -> 1 x 1 x 3 */
    convolve(&diracnet10_x0_25_cifar_layers[7], memory + 0, codes, memory + 16, NULL);

    for (int32_t i = 0; i < DIRACNET10_X0_25_CIFAR_CLASSES; i++)
        logits[i] = (int8_t)(codes[i] - 128);
    return 0;
}
