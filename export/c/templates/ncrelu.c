
/* NCReLU: behind x its max(x, 0), for which the filters have weights of their own. */
static void append_positive(uint8_t *patch, int32_t count, uint8_t zero)
{
    for (int32_t i = 0; i < count; i++)
        patch[count + i] = patch[i] > zero ? patch[i] : zero;
}
