/* A network as emx-onnx-cgen writes it: the picture of the file PICTURE in, ten numbers out. With NOTHING, what a program has
   without it. */
#include "counted.h"

extern const float picture[1][1][28][28];
INCLUDE(picture, PICTURE);

static float logits[1][10];
static const struct answer answer = {logits, sizeof logits};

void model(const float picture[1][1][28][28], float logits[1][10]);

static void work(void) {
#ifdef NOTHING
    logits[0][0] = picture[0][0][0][0];
#else
    model(picture, logits);
#endif
}
