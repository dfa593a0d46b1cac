/* Classifies pictures of Fashion-MNIST with a compiled network: C99, nothing but the C library.

   fashion PICTURES N...: the pictures with these numbers, of a file of 28 x 28 bytes each. */

#include <stdio.h>
#include <stdlib.h>

#include "fashion_net.h"

static const char *const classes[FASHION_NET_OUTPUT_LEN] = {
    "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"};

/* Far larger than a stack of a small board, and of use to one call at a time. */
FASHION_NET_ALIGNED static unsigned char scratch[FASHION_NET_SCRATCH_BYTES];

static int read_picture(FILE *file, long number, float input[FASHION_NET_INPUT_LEN])
{
    unsigned char bytes[FASHION_NET_INPUT_LEN];
    int i;
    if (number < 0 || fseek(file, number * FASHION_NET_INPUT_LEN, SEEK_SET) != 0
        || fread(bytes, 1, sizeof bytes, file) != sizeof bytes) {
        return 1;
    }
    for (i = 0; i < FASHION_NET_INPUT_LEN; i++) {
        input[i] = (float)bytes[i] / 255.0f;
    }
    return 0;
}

int main(int count, char **arguments)
{
    static float input[FASHION_NET_INPUT_LEN];
    float output[FASHION_NET_OUTPUT_LEN];
    FILE *file;
    int i, j, best, error;

    if (count < 3) {
        fprintf(stderr, "usage: fashion PICTURES N...\n");
        return 2;
    }
    file = fopen(arguments[1], "rb");
    if (file == NULL) {
        perror(arguments[1]);
        return 1;
    }
    for (i = 2; i < count; i++) {
        if (read_picture(file, strtol(arguments[i], NULL, 10), input) != 0) {
            fprintf(stderr, "there is no picture %s\n", arguments[i]);
            return 1;
        }
        error = fashion_net_infer(input, output, scratch);
        if (error != FASHION_NET_OK) {
            fprintf(stderr, "fashion_net_infer: %d\n", error);
            return 1;
        }
        best = 0;
        for (j = 1; j < FASHION_NET_OUTPUT_LEN; j++) {
            if (output[j] > output[best]) {
                best = j;
            }
        }
        /* Hexadecimal, so that they are exact. */
        printf("picture %s: %s;", arguments[i], classes[best]);
        for (j = 0; j < FASHION_NET_OUTPUT_LEN; j++) {
            printf(" %a", (double)output[j]);
        }
        printf("\n");
    }
    fclose(file);
    return 0;
}
