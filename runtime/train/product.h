/* SPDX-License-Identifier: MIT */
/*
 * product – the three matrix products of a linear layer, row-major, and a fast exponential.
 *
 * Strides are in floats. beta 0 overwrites, 1 adds.
 */
#ifndef KG_RUNTIME_TRAIN_PRODUCT_H
#define KG_RUNTIME_TRAIN_PRODUCT_H

#include <cblas.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* y[T][out] = x[T][in] w[out][in]^T */
static inline void product_forward(float *y, size_t y_stride, const float *x, size_t x_stride,
				   const float *w, size_t w_stride, size_t tokens, size_t out,
				   size_t in, float alpha, float beta)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)tokens, (blasint)out,
		    (blasint)in, alpha, x, (blasint)x_stride, w, (blasint)w_stride, beta, y,
		    (blasint)y_stride);
}

/* dx[T][in] = dy[T][out] w[out][in] */
static inline void product_input(float *dx, size_t dx_stride, const float *dy, size_t dy_stride,
				 const float *w, size_t w_stride, size_t tokens, size_t out,
				 size_t in, float beta)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)tokens, (blasint)in,
		    (blasint)out, 1.0f, dy, (blasint)dy_stride, w, (blasint)w_stride, beta, dx,
		    (blasint)dx_stride);
}

/* dw[out][in] += dy[T][out]^T x[T][in] */
static inline void product_weight(float *dw, size_t dw_stride, const float *dy, size_t dy_stride,
				  const float *x, size_t x_stride, size_t tokens, size_t out,
				  size_t in)
{
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)out, (blasint)in,
		    (blasint)tokens, 1.0f, dy, (blasint)dy_stride, x, (blasint)x_stride, 1.0f, dw,
		    (blasint)dw_stride);
}

/* e^x to 2e-7 relative for x in [-87, 87], clamped outside, NaN to the least (the gradient still
 * shows it). Vectorizes, unlike expf. */
static inline __attribute__((always_inline)) float fast_exp(float x)
{
	const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer */
	float t;
	float n;
	float r;
	float p;
	int32_t bits;

	x = x > -87.0f ? x : -87.0f;
	x = x < 87.0f ? x : 87.0f;
	t = x * 1.44269504f + round;
	n = t - round;
	r = x - n * 0.693359375f;
	r = r + n * 2.12194440e-4f;
	p = 1.9875691500e-4f;
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	memcpy(&bits, &p, sizeof(bits));
	bits += (int32_t)n * (1 << 23);
	memcpy(&p, &bits, sizeof(p));
	return p;
}

#endif
