/* Runs a net on a Cortex-M in QEMU: reads pictures.bin, writes logits.bin, and prints what it took.
 *
 * Files and text pass through semihosting. The timer of the board counts 25 MHz of QEMU's virtual time, in which with
 * `-icount shift=0` every instruction takes a nanosecond: 40 instructions a tick.
 */
#include <stdint.h>
#include <string.h>

#include "this_net.h"

#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008)
#define PAINT 0xa5u
#define PAINTED 16384u /* bytes of stack that are watched */

extern uint32_t stack_top[];
void reset(void);

static uint8_t picture[PIXELS], scratch[SCRATCH];
static int8_t logits[CLASSES];

__attribute__((section(".vectors"), used)) static const void *const vectors[2] = {stack_top, (const void *)reset};

static int semihost(int operation, const void *arguments)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static int open_file(const char *name, int mode)
{
    const uint32_t arguments[3] = {(uint32_t)name, (uint32_t)mode, (uint32_t)strlen(name)};

    return semihost(0x01, arguments);
}

/* Prints a name and a number. */
static void print(const char *name, uint32_t number)
{
    char text[12];
    char *digit = text + sizeof text;

    *--digit = '\0';
    *--digit = '\n';
    do
        *--digit = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    semihost(0x04, name);
    semihost(0x04, digit);
}

void reset(void)
{
    const int from = open_file("pictures.bin", 1), to = open_file("logits.bin", 5);
    const uint32_t reading[3] = {(uint32_t)from, (uint32_t)picture, sizeof picture};
    const uint32_t writing[3] = {(uint32_t)to, (uint32_t)logits, sizeof logits};
    const uint32_t closing[1] = {(uint32_t)to}, leaving[2] = {0x20026, 0};
    uint32_t pictures = 0, ticks = 0, unused = 0;
    uint8_t *stack, *bottom;

    TIMER_RELOAD = 0xffffffff;
    TIMER_CONTROL = 1;
    __asm__ volatile("mov %0, sp" : "=r"(stack));
    bottom = stack - PAINTED;
    for (uint32_t i = 0; i < PAINTED; i++)
        ((volatile uint8_t *)bottom)[i] = PAINT;
    while (semihost(0x06, reading) == 0) {
        const uint32_t before = TIMER_VALUE;

        if (NET(picture, logits, scratch) != 0)
            break;
        ticks += before - TIMER_VALUE;
        pictures++;
        semihost(0x05, writing);
    }
    while (unused < PAINTED && ((volatile uint8_t *)bottom)[unused] == PAINT)
        unused++;
    semihost(0x02, closing);
    print("pictures ", pictures);
    print("ticks ", ticks);
    print("stack ", PAINTED - unused);
    semihost(0x20, leaving);
    for (;;)
        ;
}
