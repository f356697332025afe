
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
