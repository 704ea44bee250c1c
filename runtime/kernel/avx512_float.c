/* SPDX-License-Identifier: MIT */
/* Floats: every sum in the order of the definition, several sums at once. */
#include <math.h>

#include "runtime/fmath_loops.h"
#include "runtime/kernel/avx512.h"

enum { PARTS = 4, ROWS = 8 };

/* Lanes that are left after whole registers. */
static inline __mmask16 rest_of(size_t n)
{
	return (__mmask16)((1u << n % LANES) - 1);
}

/* Entries i .. i+15 of vector v. */
static inline __m512 scattered(const kg_kernel_scatter *from, uint32_t i, size_t v)
{
	__m128i sign = _mm_loadu_si128((const __m128i *)(const void *)(from->sign + i));
	__m512 x = _mm512_cvtepi32_ps(_mm512_loadu_si512(from->sum + v * from->stride + i));

	x = _mm512_mul_ps(x, _mm512_set1_ps(from->step[v]));
	if (from->second != NULL) {
		__m512 w =
			_mm512_cvtepi32_ps(_mm512_loadu_si512(from->second + v * from->stride + i));

		w = _mm512_mul_ps(w, _mm512_set1_ps(from->second_step[v]));
		x = _mm512_add_ps(x, w);
	}
	return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(sign)), x);
}

/* Stored one by one: the scatter instruction is a fifth slower. */
void kg_kernel__avx512_scatter(float *y, const kg_kernel_scatter *from)
{
	for (uint32_t i = 0; i < from->n; i += LANES) {
		uint32_t count = from->n - i < LANES ? from->n - i : LANES;
		const uint16_t *to = from->index + i;
		float room[LANES];

		_mm512_storeu_ps(room, scattered(from, i, 0));
		if (count == LANES)
			for (int k = 0; k < LANES; k++)
				y[to[k]] = room[k];
		else
			for (uint32_t k = 0; k < count; k++)
				y[to[k]] = room[k];
	}
}

/* Rows of four vectors to where they belong, sixteen of them from registers of one vector each. */
static inline void put_fours(float *room, const uint16_t *to, const __m512 x[KG_KERNEL_FOUR])
{
	__m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(x[0], x[1]));
	__m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(x[0], x[1]));
	__m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(x[2], x[3]));
	__m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(x[2], x[3]));
	/* Lane l of row[j] is row 4 l + j. */
	const __m512 row[4] = {_mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23)),
			       _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23)),
			       _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23)),
			       _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23))};

	for (int j = 0; j < 4; j++, to++) {
		_mm_store_ps(room + (size_t)4 * to[0], _mm512_castps512_ps128(row[j]));
		_mm_store_ps(room + (size_t)4 * to[4], _mm512_extractf32x4_ps(row[j], 1));
		_mm_store_ps(room + (size_t)4 * to[8], _mm512_extractf32x4_ps(row[j], 2));
		_mm_store_ps(room + (size_t)4 * to[12], _mm512_extractf32x4_ps(row[j], 3));
	}
}

void kg_kernel__avx512_scatter_four(float *room, const kg_kernel_scatter *from)
{
	for (uint32_t i = 0; i < from->n; i += LANES) {
		__m512 x[KG_KERNEL_FOUR];

		for (size_t v = 0; v < KG_KERNEL_FOUR; v++)
			x[v] = scattered(from, i, v);
		if (from->n - i >= LANES) {
			put_fours(room, from->index + i, x);
			continue;
		}
		for (size_t v = 0; v < KG_KERNEL_FOUR; v++) {
			float rest[LANES];

			_mm512_storeu_ps(rest, x[v]);
			for (uint32_t k = 0; k < from->n - i; k++)
				room[(size_t)KG_KERNEL_FOUR * from->index[i + k] + v] = rest[k];
		}
	}
}

void kg_kernel__avx512_spread_four(float *y, size_t y_stride, const float *room, uint32_t n)
{
	/* Of two registers, four rows each: vectors 0 and 1, eight rows each; then 2 and 3. */
	const __m512i first =
		_mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
	const __m512i last = _mm512_add_epi32(first, _mm512_set1_epi32(2));
	const uint32_t whole = n - n % LANES;

	for (uint32_t r = 0; r < whole; r += LANES, room += (size_t)KG_KERNEL_FOUR * LANES) {
		__m512 a = _mm512_load_ps(room);
		__m512 b = _mm512_load_ps(room + LANES);
		__m512 c = _mm512_load_ps(room + (size_t)2 * LANES);
		__m512 d = _mm512_load_ps(room + (size_t)3 * LANES);
		__m512 ab = _mm512_permutex2var_ps(a, first, b);
		__m512 cd = _mm512_permutex2var_ps(c, first, d);

		_mm512_storeu_ps(y + r, _mm512_shuffle_f32x4(ab, cd, 0x44));
		_mm512_storeu_ps(y + y_stride + r, _mm512_shuffle_f32x4(ab, cd, 0xee));
		ab = _mm512_permutex2var_ps(a, last, b);
		cd = _mm512_permutex2var_ps(c, last, d);
		_mm512_storeu_ps(y + 2 * y_stride + r, _mm512_shuffle_f32x4(ab, cd, 0x44));
		_mm512_storeu_ps(y + 3 * y_stride + r, _mm512_shuffle_f32x4(ab, cd, 0xee));
	}
	kg_kernel__spread_four(y + whole, y_stride, room, n - whole);
}

void kg_kernel__avx512_scale_f32(float *y, const int32_t *sum, const float *scale, float step,
				 uint32_t n)
{
	const __m512 steps = _mm512_set1_ps(step);

	for (uint32_t i = 0; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;
		__m512 v = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(some, sum + i));
		__m512 s = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, scale + i), steps);

		_mm512_mask_storeu_ps(y + i, some, _mm512_mul_ps(v, s));
	}
}

/* Sixteen floats or halves; `some` of them. */
AVX512_INLINE __m512 load(bool f16, const void *from, size_t at, __mmask16 some)
{
	return f16 ? _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, (const uint16_t *)from + at))
		   : _mm512_maskz_loadu_ps(some, (const float *)from + at);
}

void kg_kernel__avx512_scale_f16(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
				 float step, uint32_t n)
{
	const __m512 steps = _mm512_set1_ps(step);
	const __m512 divisors = _mm512_set1_ps(divisor);

	for (uint32_t i = 0; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;
		__m512 v = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(some, sum + i));
		__m512 s = _mm512_div_ps(load(true, scale, i, some), divisors);

		_mm512_mask_storeu_ps(y + i, some, _mm512_mul_ps(v, _mm512_mul_ps(s, steps)));
	}
}

static inline __m512 add_scaled(__m512 sum, float p, __m512 value)
{
	return _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(p), value));
}

/* Token t of all mixtures, t mod 4 = k. */
AVX512_INLINE void mix_token(__m512 part[VECTORS][VECTORS][PARTS], int k, int wide, int vectors,
			     const int8_t *row, const float *p, size_t p_stride)
{
	for (int a = 0; a < wide; a++) {
		__m512 value = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(
			_mm_loadu_si128((const __m128i *)(const void *)(row + (size_t)a * LANES))));

		for (int v = 0; v < vectors; v++)
			part[v][a][k] = add_scaled(part[v][a][k], p[(size_t)v * p_stride], value);
	}
}

/* `wide` times 16 entries of `vectors` mixtures: sixteen chains when their product is four. */
AVX512_INLINE void mix(float *y, size_t y_stride, int wide, int vectors, const int8_t *value,
		       uint32_t width, const float *p, size_t p_stride, uint32_t count)
{
	uint32_t whole = count - count % PARTS;
	__m512 part[VECTORS][VECTORS][PARTS];

	for (int v = 0; v < vectors; v++)
		for (int a = 0; a < wide; a++)
			for (int k = 0; k < PARTS; k++)
				part[v][a][k] = _mm512_setzero_ps();
	for (uint32_t t = 0; t < whole; t += PARTS)
		for (int k = 0; k < PARTS; k++, value += width, p++)
			mix_token(part, k, wide, vectors, value, p, p_stride);
	/* One by one: an index that varies would move all sums to the stack. */
	if (whole < count)
		mix_token(part, 0, wide, vectors, value, p, p_stride);
	if (whole + 1 < count)
		mix_token(part, 1, wide, vectors, value + width, p + 1, p_stride);
	if (whole + 2 < count)
		mix_token(part, 2, wide, vectors, value + 2 * (size_t)width, p + 2, p_stride);
	for (int v = 0; v < vectors; v++)
		for (int a = 0; a < wide; a++)
			_mm512_storeu_ps(
				y + (size_t)v * y_stride + (size_t)a * LANES,
				_mm512_add_ps(_mm512_add_ps(part[v][a][0], part[v][a][1]),
					      _mm512_add_ps(part[v][a][2], part[v][a][3])));
}

void kg_kernel__avx512_mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width,
			      const float *p, size_t p_stride, uint32_t count, uint32_t vectors)
{
	for (uint32_t v = 0, n; v < vectors; v += n, y += n * y_stride, p += n * p_stride) {
		n = block_of(vectors - v);
		for (uint32_t at = 0, wide; at < width; at += wide * LANES) {
			uint32_t left = (width - at) / LANES;

			wide = 1;
			if (n == VECTORS)
				mix(y + at, y_stride, 1, VECTORS, value + at, width, p, p_stride,
				    count);
			else if (n == 2)
				mix(y + at, y_stride, 1, 2, value + at, width, p, p_stride, count);
			else if (left < VECTORS)
				mix(y + at, y_stride, 1, 1, value + at, width, p, p_stride, count);
			else
				mix(y + at, y_stride, (int)(wide = VECTORS), 1, value + at, width,
				    p, p_stride, count);
		}
	}
}

/* The tree of the definition over the lanes of four sums. */
static inline __m128 trees(const __m512 sum[4])
{
	__m128 quarter[4];

	for (int i = 0; i < 4; i++) {
		__m256 half = _mm256_add_ps(
			_mm512_castps512_ps256(sum[i]),
			_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sum[i]), 1)));

		quarter[i] =
			_mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
	}
	for (int i = 0; i < 4; i += 2)
		quarter[i] = _mm_add_ps(_mm_movelh_ps(quarter[i], quarter[i + 1]),
					_mm_movehl_ps(quarter[i + 1], quarter[i]));
	return _mm_add_ps(_mm_shuffle_ps(quarter[0], quarter[2], _MM_SHUFFLE(2, 0, 2, 0)),
			  _mm_shuffle_ps(quarter[0], quarter[2], _MM_SHUFFLE(3, 1, 3, 1)));
}

/* sum[r][v] += the lanes of `some` columns from `at` on; the others keep even their signs of 0. */
AVX512_INLINE void add_columns(__m512 sum[ROWS][VECTORS], bool f16, int rows, int vectors,
			       const void *w, const float *x, size_t x_stride, uint32_t cols,
			       size_t at, __mmask16 some)
{
	__m512 part[VECTORS];

	for (int v = 0; v < vectors; v++)
		part[v] = _mm512_maskz_loadu_ps(some, x + (size_t)v * x_stride + at);
	for (int r = 0; r < rows; r++) {
		__m512 row = load(f16, w, (size_t)r * cols + at, some);

		for (int v = 0; v < vectors; v++)
			sum[r][v] = _mm512_mask_add_ps(sum[r][v], some, sum[r][v],
						       _mm512_mul_ps(row, part[v]));
	}
}

/* Rows in fours, or one. */
AVX512_INLINE void multiply_rows(float *y, size_t y_stride, bool f16, int rows, int vectors,
				 const void *w, const float *x, size_t x_stride, uint32_t cols)
{
	const size_t whole = cols - cols % LANES;
	__m512 sum[ROWS][VECTORS];

	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++)
			sum[r][v] = _mm512_setzero_ps();
	for (size_t at = 0; at < whole; at += LANES)
		add_columns(sum, f16, rows, vectors, w, x, x_stride, cols, at, (__mmask16)-1);
	if (whole < cols)
		add_columns(sum, f16, rows, vectors, w, x, x_stride, cols, whole, rest_of(cols));
	for (int v = 0; v < vectors; v++, y += y_stride)
		for (int r = 0; r < rows; r += 4) {
			__m512 four[4];

			for (int i = 0; i < 4; i++)
				four[i] = sum[rows == 1 ? 0 : r + i][v];
			if (rows == 1)
				*y = _mm_cvtss_f32(trees(four));
			else
				_mm_storeu_ps(y + r, trees(four));
		}
}

/* All rows of a block of vectors. */
AVX512_INLINE void block_rows(float *y, size_t y_stride, bool f16, int vectors, const uint8_t *w,
			      const float *x, size_t x_stride, uint32_t rows, uint32_t cols)
{
	const uint32_t most = vectors == 1 ? ROWS : ROWS / 2;
	const size_t row = cols * (f16 ? sizeof(uint16_t) : sizeof(float));
	uint32_t r = 0;

	for (; r + most <= rows; r += most)
		multiply_rows(y + r, y_stride, f16, (int)most, vectors, w + r * row, x, x_stride,
			      cols);
	for (; r < rows; r++)
		multiply_rows(y + r, y_stride, f16, 1, vectors, w + r * row, x, x_stride, cols);
}

/* Vectors outside: their block stays in the nearest cache. */
AVX512_INLINE void all_rows(float *y, size_t y_stride, bool f16, const void *w, const float *x,
			    size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count)
{
	for (uint32_t v = 0, n; v < count; v += n, y += n * y_stride, x += n * x_stride) {
		n = block_of(count - v);
		if (n == VECTORS)
			block_rows(y, y_stride, f16, VECTORS, w, x, x_stride, rows, cols);
		else if (n == 2)
			block_rows(y, y_stride, f16, 2, w, x, x_stride, rows, cols);
		else
			block_rows(y, y_stride, f16, 1, w, x, x_stride, rows, cols);
	}
}

void kg_kernel__avx512_rows_f32(float *y, size_t y_stride, const float *w, const float *x,
				size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count)
{
	all_rows(y, y_stride, false, w, x, x_stride, rows, cols, count);
}

void kg_kernel__avx512_rows_f16(float *y, size_t y_stride, const uint16_t *w, const float *x,
				size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count)
{
	all_rows(y, y_stride, true, w, x, x_stride, rows, cols, count);
}

AVX512_INLINE float dot_one(bool f16, const void *a, const float *b, size_t n)
{
	const size_t whole = n - n % LANES;
	__m512 sum[4] = {_mm512_setzero_ps()};

	for (size_t i = 0; i < whole; i += LANES)
		sum[0] = _mm512_add_ps(sum[0], _mm512_mul_ps(load(f16, a, i, (__mmask16)-1),
							     _mm512_loadu_ps(b + i)));
	sum[0] = _mm512_mask_add_ps(sum[0], rest_of(n), sum[0],
				    _mm512_mul_ps(load(f16, a, whole, rest_of(n)),
						  _mm512_maskz_loadu_ps(rest_of(n), b + whole)));
	sum[1] = sum[2] = sum[3] = sum[0];
	return _mm_cvtss_f32(trees(sum));
}

float kg_kernel__avx512_dot_f32(const float *a, const float *b, size_t n)
{
	return dot_one(false, a, b, n);
}

float kg_kernel__avx512_dot_f16(const uint16_t *a, const float *b, size_t n)
{
	return dot_one(true, a, b, n);
}

/* The greatest of `least` and all x; NaN is passed over. */
static float greatest(const float *x, size_t n, float least)
{
	__m512 most[PARTS];
	size_t i = 0;

	/* The second operand is taken where one is NaN. */
	for (int k = 0; k < PARTS; k++)
		most[k] = _mm512_set1_ps(least);
	for (; i + PARTS * LANES <= n; i += PARTS * LANES)
		for (size_t k = 0; k < PARTS; k++)
			most[k] = _mm512_max_ps(_mm512_loadu_ps(x + i + k * LANES), most[k]);
	for (; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;

		most[0] = _mm512_mask_max_ps(most[0], some, _mm512_maskz_loadu_ps(some, x + i),
					     most[0]);
	}
	return _mm512_reduce_max_ps(
		_mm512_max_ps(_mm512_max_ps(most[0], most[1]), _mm512_max_ps(most[2], most[3])));
}

uint32_t kg_kernel__avx512_argmax(const float *x, size_t n)
{
	float best = greatest(x, n, -INFINITY);
	const __m512 bests = _mm512_set1_ps(best);

	for (size_t i = 0; i < n && best > -INFINITY; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;
		unsigned is = _mm512_mask_cmp_ps_mask(some, _mm512_maskz_loadu_ps(some, x + i),
						      bests, _CMP_EQ_OQ);

		if (is != 0)
			return (uint32_t)i + (uint32_t)__builtin_ctz(is);
	}
	return 0;
}

/* loops_exp, operation by operation. The first operand of a maximum or minimum loses when the
 * second is NaN, as in the definition. */
static inline __m512 exps(__m512 x)
{
	static const float factor[] = {1.3888889e-3f, 8.3333333e-3f, 4.1666667e-2f, 1.6666667e-1f,
				       0.5f};
	const __m512 round = _mm512_set1_ps(LOOPS_ROUND);
	const __m512 one = _mm512_set1_ps(1.0f);
	__m512 p = _mm512_set1_ps(1.9841270e-4f);
	__m512 t;
	__m512 k;
	__m512 r;

	x = _mm512_max_ps(_mm512_set1_ps(-87.0f), x);
	x = _mm512_min_ps(_mm512_set1_ps(88.0f), x);
	t = _mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), round);
	k = _mm512_sub_ps(t, round);
	r = _mm512_sub_ps(_mm512_sub_ps(x, _mm512_mul_ps(k, _mm512_set1_ps(0.693359375f))),
			  _mm512_mul_ps(k, _mm512_set1_ps(-2.12194440e-4f)));
	for (size_t i = 0; i < sizeof(factor) / sizeof(*factor); i++)
		p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(factor[i]));
	p = _mm512_add_ps(_mm512_add_ps(_mm512_mul_ps(_mm512_mul_ps(p, r), r), r), one);
	return _mm512_mul_ps(p, _mm512_castsi512_ps(_mm512_add_epi32(
					_mm512_slli_epi32(_mm512_castps_si512(t), 23),
					_mm512_castps_si512(one))));
}

void kg_kernel__avx512_softmax(float *x, size_t n)
{
	const __m512 most = _mm512_set1_ps(greatest(x, n, x[0]));
	__m512 sum[4] = {_mm512_setzero_ps()};
	__m512 scale;

	for (size_t i = 0; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;
		__m512 v = exps(_mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + i), most));

		_mm512_mask_storeu_ps(x + i, some, v);
		sum[0] = _mm512_mask_add_ps(sum[0], some, sum[0], v);
	}
	sum[1] = sum[2] = sum[3] = sum[0];
	scale = _mm512_set1_ps(1.0f / _mm_cvtss_f32(trees(sum)));
	for (size_t i = 0; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;

		_mm512_mask_storeu_ps(x + i, some,
				      _mm512_mul_ps(_mm512_maskz_loadu_ps(some, x + i), scale));
	}
}

/* Scores of query v; returns the greatest. */
static float put_scores(float *p, const kg_kernel_scores *from, uint32_t v)
{
	const int32_t *sum = from->sum + v * from->stride;
	const uint32_t n = from->count[v];
	const __m512 step = _mm512_set1_ps(from->step[v]);
	__m512 most = _mm512_set1_ps(((float)sum[0] * from->scale[0]) * from->step[v]);

	for (uint32_t t = 0; t < n; t += LANES) {
		__mmask16 some = n - t < LANES ? rest_of(n) : (__mmask16)-1;
		__m512 x = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(some, sum + t));

		x = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(some, from->scale + (size_t)2 * t));
		x = _mm512_mul_ps(x, step);
		most = _mm512_mask_max_ps(most, some, x, most);
		_mm512_mask_storeu_ps(p + t, some, x);
	}
	return _mm512_reduce_max_ps(most);
}

/* Their exponentials, n of them; returns the factor that makes their sum 1. */
static float put_exps(float *p, uint32_t n, float greatest_score)
{
	const __m512 most = _mm512_set1_ps(greatest_score);
	__m512 sum[4] = {_mm512_setzero_ps()};

	for (uint32_t t = 0; t < n; t += LANES) {
		__mmask16 some = n - t < LANES ? rest_of(n) : (__mmask16)-1;
		__m512 x = exps(_mm512_sub_ps(_mm512_maskz_loadu_ps(some, p + t), most));

		_mm512_mask_storeu_ps(p + t, some, x);
		sum[0] = _mm512_mask_add_ps(sum[0], some, sum[0], x);
	}
	sum[1] = sum[2] = sum[3] = sum[0];
	return 1.0f / _mm_cvtss_f32(trees(sum));
}

/* Step by step for all queries: what one waits for, another does not. */
void kg_kernel__avx512_weigh(float *p, const kg_kernel_scores *from)
{
	float of[KG_KERNEL_BATCH];

	for (uint32_t v = 0; v < from->vectors; v++)
		of[v] = put_scores(p + v * from->stride, from, v);
	for (uint32_t v = 0; v < from->vectors; v++)
		of[v] = put_exps(p + v * from->stride, from->count[v], of[v]);
	for (uint32_t v = 0; v < from->vectors; v++, p += from->stride) {
		const uint32_t n = from->count[v];
		const __m512 factor = _mm512_set1_ps(of[v]);

		for (uint32_t t = 0; t < n; t += LANES) {
			__mmask16 some = n - t < LANES ? rest_of(n) : (__mmask16)-1;
			__m512 x = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, p + t), factor);

			x = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(
						     some, from->scale + (size_t)2 * t + LANES));
			_mm512_mask_storeu_ps(p + t, some, x);
		}
		memset(p + n, 0, (from->end - n) * sizeof(*p));
	}
}

void kg_kernel__avx512_add(float *x, const float *y, size_t n)
{
	kg_kernel__add_by(x, y, n);
}

void kg_kernel__avx512_norm(float *out, const float *x, const float *gain, size_t n, float divisor,
			    float eps)
{
	kg_kernel__norm_by(out, x, gain, n, divisor, eps, kg_kernel__avx512_dot_f32);
}

void kg_kernel__avx512_turn(float *x, const float *cosine, const float *sine, size_t n)
{
	enum { PAIRS = LANES / 2 };
	const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
	const size_t whole = n - n % PAIRS;

	for (size_t i = 0; i < whole; i += PAIRS) {
		__m512 v = _mm512_loadu_ps(x + 2 * i);
		__m512 c = _mm512_castps256_ps512(_mm256_loadu_ps(cosine + i));
		__m512 s = _mm512_castps256_ps512(_mm256_loadu_ps(sine + i));
		__m512 straight = _mm512_mul_ps(v, _mm512_permutexvar_ps(twice, c));
		__m512 crossed =
			_mm512_mul_ps(_mm512_permute_ps(v, 0xb1), _mm512_permutexvar_ps(twice, s));

		v = _mm512_add_ps(straight, crossed);
		v = _mm512_mask_sub_ps(v, 0x5555, straight, crossed);
		_mm512_storeu_ps(x + 2 * i, v);
	}
	kg_kernel__turn_by(x + 2 * whole, cosine + whole, sine + whole, n - whole);
}

void kg_kernel__avx512_swiglu(float *gate, const float *up, size_t n)
{
	const __m512 one = _mm512_set1_ps(1.0f);
	const __m512i sign = _mm512_set1_epi32(INT32_MIN);

	for (size_t i = 0; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;
		__m512 v = _mm512_maskz_loadu_ps(some, gate + i);
		__m512 e =
			exps(_mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(v), sign)));

		v = _mm512_mul_ps(_mm512_div_ps(v, _mm512_add_ps(one, e)),
				  _mm512_maskz_loadu_ps(some, up + i));
		_mm512_mask_storeu_ps(gate + i, some, v);
	}
}

float kg_kernel__avx512_quantize(int8_t *q, const float *x, size_t n)
{
	const __m512i size = _mm512_set1_epi32(0x7fffffff);
	__m512 most[PARTS];
	__m512 g;
	size_t i = 0;

	for (int k = 0; k < PARTS; k++)
		most[k] = _mm512_set1_ps(1e-5f);
	for (; i + PARTS * LANES <= n; i += PARTS * LANES)
		for (size_t k = 0; k < PARTS; k++)
			most[k] =
				_mm512_max_ps(_mm512_castsi512_ps(_mm512_and_si512(
						      _mm512_loadu_si512(x + i + k * LANES), size)),
					      most[k]);
	for (; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;

		most[0] = _mm512_max_ps(_mm512_castsi512_ps(_mm512_and_si512(
						_mm512_maskz_loadu_epi32(some, x + i), size)),
					most[0]);
	}
	most[0] = _mm512_max_ps(_mm512_max_ps(most[0], most[1]), _mm512_max_ps(most[2], most[3]));
	g = _mm512_set1_ps(127.0f / _mm512_reduce_max_ps(most[0]));
	for (i = 0; i < n; i += LANES) {
		__mmask16 some = n - i < LANES ? rest_of(n) : (__mmask16)-1;
		__m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, x + i), g);

		v = _mm512_max_ps(_mm512_set1_ps(-127.0f), v);
		v = _mm512_min_ps(_mm512_set1_ps(127.0f), v);
		v = _mm512_add_ps(v, _mm512_set1_ps(LOOPS_ROUND));
		_mm512_mask_cvtepi32_storeu_epi8(q + i, some, _mm512_castps_si512(v));
	}
	return 1.0f / _mm512_cvtss_f32(g);
}
