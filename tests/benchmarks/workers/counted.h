/* A program on a small core, for an emulator in user mode that tells how many instructions were executed whenever the system is
   called: so the system is called before and after the work. Then the answer is written, and the bytes of stack that the work
   took. */
#include <stdint.h>

struct answer {
    const void *bytes;
    long length;
};

/* Defined by the program. */
static void work(void);
static const struct answer answer;

/* The bytes of a file, as a constant. */
#define INCLUDE(name, path)                           \
    __asm__(".section .rodata." #name ", \"a\"\n"     \
            ".balign 8\n"                             \
            ".global " #name "\n" #name ": .incbin \"" path "\"\n" \
            ".text")

#define DEEPEST (3u << 20) /* so far is looked; the emulator's stack is larger */
#define UNTOUCHED 0xa5c35a3cu

/* Asks the system, with three arguments. */
#ifdef __arm__
enum { WRITE = 4, EXIT = 1 };

__attribute__((noinline)) static void call(long number, long a, const void *b, long c) {
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register const void *r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
}
#else
enum { WRITE = 64, EXIT = 93 };

__attribute__((noinline)) static void call(long number, long a, const void *b, long c) {
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register const void *a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
}

/* What belongs to the one thread: picolibc's errno. */
char thread[64] __attribute__((aligned(16), used));
#endif

__attribute__((noreturn, used)) static void run(void) {
    /* Below what this function and `call` have. */
    volatile uint32_t *top = (uint32_t *)((uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)3) - 64;
    volatile uint32_t *word = top - DEEPEST / 4;
    while (word < top) *word++ = UNTOUCHED;
    call(WRITE, 1, "", 0);
    work();
    call(WRITE, 1, "", 0);
    for (word = top - DEEPEST / 4; word < top && *word == UNTOUCHED;) word++;
    uint32_t stack = (uint32_t)((uintptr_t)top - (uintptr_t)word);
    call(WRITE, 1, answer.bytes, answer.length);
    call(WRITE, 1, &stack, sizeof stack);
    for (;;) call(EXIT, 0, 0, 0);
}

#ifdef __arm__
__attribute__((noreturn)) void _start(void) { run(); }
#else
__asm__(".global _start\n"
        "_start:\n"
        ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
        "la tp, thread\n"
        "j run");
#endif
