/* SPDX-License-Identifier: MIT */
#include "runtime/fmath.h"

#include <string.h>

#include "base/err.h"
#include "runtime/fmath_loops.h"

/* As LOOPS_ROUND, for |x| < 2^51. */
#define ROUND_D 6755399441055744.0

static inline double double_of(uint64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline uint64_t bits_of_double(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

float kg_fmath_expf(float x)
{
	return loops_exp(x);
}

void kg_fmath_exps(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = loops_exp(x[i]);
}

static inline double exp_of(double x)
{
	static const double inverse_factorial[] = {
		1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
		1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
		1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        0.5,
	};
	double t;
	double k;
	double r;
	double p = 0.0;

	x = x < -700.0 ? -700.0 : x;
	x = x > 700.0 ? 700.0 : x;
	t = x * 1.4426950408889634 + ROUND_D;
	k = t - ROUND_D;
	r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
	for (size_t i = 0; i < sizeof(inverse_factorial) / sizeof(*inverse_factorial); i++)
		p = p * r + inverse_factorial[i];
	p = (p * r) * r + r + 1.0;
	return p * double_of((bits_of_double(t) << 52) + 0x3ff0000000000000ULL);
}

double kg_fmath_exp(double x)
{
	return exp_of(x);
}

/* x = 2^k m, m in [1/sqrt 2, sqrt 2); log m = 2 artanh(s), s = (m-1)/(m+1), |s| < 0.1716: eleven
 * odd terms leave 1e-18. */
double kg_fmath_log(double x)
{
	uint64_t bits = bits_of_double(x);
	uint64_t top = bits + (0x3ff0000000000000ULL - 0x3fe6a09e667f3bcdULL);
	int64_t k = (int64_t)(top >> 52) - 1023;
	double m = double_of(bits - ((uint64_t)k << 52));
	double s = (m - 1.0) / (m + 1.0);
	double z = s * s;
	double p = 0.0;

	for (int odd = 21; odd >= 3; odd -= 2)
		p = p * z + 2.0 / (double)odd;
	p = (p * z) * s;
	return (double)k * 6.93147180369123816490e-01 +
	       (2.0 * s + (p + (double)k * 1.90821492927058770002e-10));
}

/* x = k pi/2 + r, |r| <= pi/4, pi/2 in three parts of which the first two have 33 bits: k * part
 * is exact for k < 2^20 (the constants of fdlibm's e_rem_pio2.c, as numbers). */
void kg_fmath_sincos(double x, double *sine, double *cosine)
{
	double t = x * 6.36619772367581382433e-01 + ROUND_D;
	double k = t - ROUND_D;
	unsigned quadrant = (unsigned)bits_of_double(t) & 3;
	double r = ((x - k * 1.57079632673412561417e+00) - k * 6.07710050630396597660e-11) -
		   k * 2.02226624879595063154e-21;
	double z = r * r;
	double s = 0.0;
	double c = 0.0;

	for (int n = 17; n >= 3; n -= 2)
		s = -(s + 1.0) * z / (double)(n * (n - 1));
	for (int n = 18; n >= 2; n -= 2)
		c = -(c + 1.0) * z / (double)(n * (n - 1));
	s = r + r * s;
	c = 1.0 + c;
	*sine = (quadrant & 1) != 0 ? c : s;
	*cosine = (quadrant & 1) != 0 ? s : c;
	if (quadrant >= 2)
		*sine = -*sine;
	if (quadrant == 1 || quadrant == 2)
		*cosine = -*cosine;
}

float kg_fmath_siluf(float x)
{
	return loops_silu(x);
}

void kg_fmath_swiglu(float *gate, const float *up, size_t n)
{
	loops_swiglu(gate, up, n);
}

float kg_fmath_sum(const float *x, size_t n)
{
	return loops_sum(x, n);
}

void kg_fmath_softmax(float *x, size_t n)
{
	loops_softmax(x, n);
}

double kg_fmath_log_softmax(const float *logits, size_t n, size_t at)
{
	enum { BLOCK = 64 }; /* powers side by side, then one sum in order */
	double power[BLOCK];
	double max = (double)loops_max(logits, n, logits[0]);
	double sum = 0.0;

	KG_ASSERT(at < n);
	for (size_t from = 0; from < n; from += BLOCK) {
		size_t count = n - from < BLOCK ? n - from : BLOCK;

		for (size_t i = 0; i < count; i++)
			power[i] = exp_of((double)logits[from + i] - max);
		for (size_t i = 0; i < count; i++)
			sum += power[i];
	}
	return ((double)logits[at] - max) - kg_fmath_log(sum);
}

float kg_fmath_quantize(int8_t *q, const float *x, size_t n)
{
	return loops_quantize(q, x, n);
}
