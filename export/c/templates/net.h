/* $title
 *
 * $origin
 *
 * int8 arithmetic from the picture to the logits: no floating point, no allocation, no global state that changes,
 * nothing from the library but <stdint.h> and <string.h>. Written by diracnet-zoo; do not edit.
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ${NAME}_SIZE $size /* height and width of a picture, in pixels */
#define ${NAME}_CHANNELS $channels /* bytes per pixel */
#define ${NAME}_PIXELS $pixels /* bytes per picture */
#define ${NAME}_CLASSES $classes
#define ${NAME}_SCRATCH $scratch /* bytes of working memory */
#define ${NAME}_RESIZE $resize /* the shorter side of a picture before its centre is cropped */

/* A logit q stands for LOGITS_SCALE * (q - LOGITS_ZERO_POINT). */
#define ${NAME}_LOGITS_SCALE $logits_scale
#define ${NAME}_LOGITS_ZERO_POINT ($logits_zero)

/* The names of the classes. */
extern const char *const ${NAME}_LABELS[${NAME}_CLASSES];

/* Computes the logits of a picture.
 *
 * $picture: rows from the top, pixels from the left, $bytes.
 * logits: one for each class; the largest is the answer.
 * scratch: ${NAME}_SCRATCH bytes, which need no alignment and may be used for other things between two calls.
 *
 * Returns 0, or -1 if one of the pointers is NULL.
 */
int ${name}_logits(const uint8_t $picture[${NAME}_PIXELS], int8_t logits[${NAME}_CLASSES], void *scratch);

/* ---- What follows is for the net's own files. ---- */

/* The numbers in ${name}_weights.c; another net's do not compile with this header. */
#define ${NAME}_WEIGHTS_$id

#define ${NAME}_LAYERS $layers

/* Maps hold bytes: where LiteRT has the int8 number q, they have q + 128, and zero points are higher by 128, too. */
typedef struct {
    const int8_t *weight;      /* filters, each in the order of a patch */
    const int32_t *bias;       /* minus the input's zero point times the sum of the filter's weights */
    const int32_t *multiplier; /* with shift: what turns a sum into an output, see requantize() */
    const int32_t *shift;
    int32_t size;              /* height and width of the input */
    int32_t inputs;            /* its channels */
    int32_t outputs;
    int32_t kernel;
    int32_t stride;
    int32_t padding;
    int32_t patch;             /* bytes of a filter */
    uint8_t zero;              /* the input's zero point */
    uint8_t output_zero;
    uint8_t lowest;            /* the smallest output: the zero point if a ReLU follows */
} ${name}_layer;

extern const ${name}_layer ${name}_layers[${NAME}_LAYERS];
extern const uint8_t ${name}_codes[${NAME}_CHANNELS][256]; /* pixels, normalized */

#ifdef __cplusplus
}
#endif

#endif
