/* CMSIS-NN's 3x3 convolution of 14x14x64 to 64 channels in 8 bits, with zeros around, on numbers from files. With NOTHING, what
   a program has without it. */
#include "counted.h"

#include "arm_nnfunctions.h"

#define SIDE 14
#define CHANNELS 64

extern const int8_t picture[SIDE * SIDE * CHANNELS], weights[CHANNELS * 9 * CHANNELS];
extern const int32_t bias[CHANNELS], multipliers[CHANNELS], shifts[CHANNELS];
INCLUDE(picture, FOLDER "/picture.bin");
INCLUDE(weights, FOLDER "/weights.bin");
INCLUDE(bias, FOLDER "/bias.bin");
INCLUDE(multipliers, FOLDER "/multipliers.bin");
INCLUDE(shifts, FOLDER "/shifts.bin");

static int8_t output[SIDE * SIDE * CHANNELS];
static const struct answer answer = {output, sizeof output};

static void work(void) {
#ifdef NOTHING
    output[0] = picture[0] + weights[0] + bias[0] + multipliers[0] + shifts[0];
#else
    static int16_t columns[2 * 9 * CHANNELS];
    const cmsis_nn_context context = {columns, sizeof columns};
    const cmsis_nn_conv_params parameters = {
        .stride = {1, 1}, .padding = {1, 1}, .dilation = {1, 1}, .activation = {-128, 127}};
    const cmsis_nn_per_channel_quant_params scales = {(int32_t *)multipliers, (int32_t *)shifts};
    const cmsis_nn_dims plane = {1, SIDE, SIDE, CHANNELS}, filter = {CHANNELS, 3, 3, CHANNELS}, one = {1, 1, 1, CHANNELS};
    if (arm_convolve_s8_get_buffer_size(&plane, &filter) > (int32_t)sizeof columns) return;
    arm_convolve_s8(&context, &parameters, &scales, &plane, picture, &filter, weights, &one, bias, &plane, output);
#endif
}
