/* SPDX-License-Identifier: MIT */
/* Floats: every sum in the order of the definition, several sums at once. Sixteen lanes are two
 * registers; what is left over is done lane by lane. */
#include <math.h>

#include "runtime/fmath_loops.h"
#include "runtime/kernel/avx2.h"

enum { PARTS = 4, WIDTH = 8, ROWS = 4, ROW_VECTORS = 2 };

/* Eight floats or halves. */
AVX2_INLINE __m256 load_eight(bool f16, const void *from, size_t at)
{
	return f16 ? _mm256_cvtph_ps(_mm_loadu_si128(
			     (const __m128i *)(const void *)((const uint16_t *)from + at)))
		   : _mm256_loadu_ps((const float *)from + at);
}

/* Entries i .. i+7 of vector v. */
static inline __m256 scattered(const kg_kernel_scatter *from, uint32_t i, size_t v)
{
	__m128i sign = _mm_loadl_epi64((const __m128i *)(const void *)(from->sign + i));
	__m256 x = _mm256_cvtepi32_ps(load(from->sum + v * from->stride + i));

	x = _mm256_mul_ps(x, _mm256_set1_ps(from->step[v]));
	if (from->second != NULL) {
		__m256 w = _mm256_cvtepi32_ps(load(from->second + v * from->stride + i));

		x = _mm256_add_ps(x, _mm256_mul_ps(w, _mm256_set1_ps(from->second_step[v])));
	}
	return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(sign)), x);
}

void kg_kernel__avx2_scatter(float *y, const kg_kernel_scatter *from)
{
	for (uint32_t i = 0; i < from->n; i += WIDTH) {
		uint32_t count = from->n - i < WIDTH ? from->n - i : WIDTH;
		const uint16_t *to = from->index + i;
		float room[WIDTH];

		_mm256_storeu_ps(room, scattered(from, i, 0));
		if (count == WIDTH)
			for (int k = 0; k < WIDTH; k++)
				y[to[k]] = room[k];
		else
			for (uint32_t k = 0; k < count; k++)
				y[to[k]] = room[k];
	}
}

/* Rows of four vectors to where they belong, eight of them from registers of one vector each. */
static inline void put_fours(float *room, const uint16_t *to, const __m256 x[KG_KERNEL_FOUR])
{
	__m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(x[0], x[1]));
	__m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(x[0], x[1]));
	__m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(x[2], x[3]));
	__m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(x[2], x[3]));
	/* Half h of row[j] is row 4 h + j. */
	const __m256 row[4] = {_mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23)),
			       _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23)),
			       _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23)),
			       _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23))};

	for (int j = 0; j < 4; j++, to++) {
		_mm_store_ps(room + (size_t)4 * to[0], _mm256_castps256_ps128(row[j]));
		_mm_store_ps(room + (size_t)4 * to[4], _mm256_extractf128_ps(row[j], 1));
	}
}

void kg_kernel__avx2_scatter_four(float *room, const kg_kernel_scatter *from)
{
	for (uint32_t i = 0; i < from->n; i += WIDTH) {
		__m256 x[KG_KERNEL_FOUR];

		for (size_t v = 0; v < KG_KERNEL_FOUR; v++)
			x[v] = scattered(from, i, v);
		if (from->n - i >= WIDTH) {
			put_fours(room, from->index + i, x);
			continue;
		}
		for (size_t v = 0; v < KG_KERNEL_FOUR; v++) {
			float rest[WIDTH];

			_mm256_storeu_ps(rest, x[v]);
			for (uint32_t k = 0; k < from->n - i; k++)
				room[(size_t)KG_KERNEL_FOUR * from->index[i + k] + v] = rest[k];
		}
	}
}

void kg_kernel__avx2_spread_four(float *y, size_t y_stride, const float *room, uint32_t n)
{
	const uint32_t whole = n - n % KG_KERNEL_FOUR;

	for (uint32_t r = 0; r < whole; r += KG_KERNEL_FOUR, room += 16) {
		__m128 a = _mm_load_ps(room);
		__m128 b = _mm_load_ps(room + 4);
		__m128 c = _mm_load_ps(room + 8);
		__m128 d = _mm_load_ps(room + 12);

		_MM_TRANSPOSE4_PS(a, b, c, d);
		_mm_storeu_ps(y + r, a);
		_mm_storeu_ps(y + y_stride + r, b);
		_mm_storeu_ps(y + 2 * y_stride + r, c);
		_mm_storeu_ps(y + 3 * y_stride + r, d);
	}
	kg_kernel__spread_four(y + whole, y_stride, room, n - whole);
}

void kg_kernel__avx2_scale_f32(float *y, const int32_t *sum, const float *scale, float step,
			       uint32_t n)
{
	const __m256 steps = _mm256_set1_ps(step);
	uint32_t i = 0;

	for (; i + WIDTH <= n; i += WIDTH)
		_mm256_storeu_ps(y + i,
				 _mm256_mul_ps(_mm256_cvtepi32_ps(load(sum + i)),
					       _mm256_mul_ps(_mm256_loadu_ps(scale + i), steps)));
	for (; i < n; i++)
		y[i] = (float)sum[i] * (scale[i] * step);
}

void kg_kernel__avx2_scale_f16(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
			       float step, uint32_t n)
{
	const __m256 steps = _mm256_set1_ps(step);
	const __m256 divisors = _mm256_set1_ps(divisor);
	uint32_t i = 0;

	for (; i + WIDTH <= n; i += WIDTH) {
		__m256 s = _mm256_div_ps(load_eight(true, scale, i), divisors);

		_mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_cvtepi32_ps(load(sum + i)),
						      _mm256_mul_ps(s, steps)));
	}
	for (; i < n; i++)
		y[i] = (float)sum[i] * (_cvtsh_ss(scale[i]) / divisor * step);
}

/* Token t of all mixtures, t mod 4 = k. */
AVX2_INLINE void mix_token(__m256 part[2][PARTS][2], int k, int wide, int vectors,
			   const int8_t *row, const float *p, size_t p_stride)
{
	for (int a = 0; a < wide; a++) {
		__m256 value = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(
			_mm_loadl_epi64((const __m128i *)(const void *)(row + a * WIDTH))));

		for (int v = 0; v < vectors; v++)
			part[v][k][a] = _mm256_add_ps(
				part[v][k][a],
				_mm256_mul_ps(_mm256_set1_ps(p[(size_t)v * p_stride]), value));
	}
}

/* `wide` times eight entries of `vectors` mixtures: eight chains when their product is two. */
AVX2_INLINE void mix(float *y, size_t y_stride, int wide, int vectors, const int8_t *value,
		     uint32_t width, const float *p, size_t p_stride, uint32_t count)
{
	uint32_t whole = count - count % PARTS;
	__m256 part[2][PARTS][2];

	for (int v = 0; v < vectors; v++)
		for (int k = 0; k < PARTS; k++)
			for (int a = 0; a < wide; a++)
				part[v][k][a] = _mm256_setzero_ps();
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
			_mm256_storeu_ps(
				y + (size_t)v * y_stride + a * WIDTH,
				_mm256_add_ps(_mm256_add_ps(part[v][0][a], part[v][1][a]),
					      _mm256_add_ps(part[v][2][a], part[v][3][a])));
}

void kg_kernel__avx2_mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width,
			    const float *p, size_t p_stride, uint32_t count, uint32_t vectors)
{
	uint32_t v = 0;

	for (; v + 2 <= vectors; v += 2, y += 2 * y_stride, p += 2 * p_stride)
		for (uint32_t at = 0; at < width; at += WIDTH)
			mix(y + at, y_stride, 1, 2, value + at, width, p, p_stride, count);
	if (v < vectors)
		for (uint32_t at = 0; at < width; at += LANES)
			mix(y + at, 0, 2, 1, value + at, width, p, 0, count);
}

/* The tree of the definition over the lanes of four sums. */
static inline __m128 trees(__m256 low[4], __m256 high[4])
{
	__m128 quarter[4];

	for (int i = 0; i < 4; i++) {
		__m256 half = _mm256_add_ps(low[i], high[i]);

		quarter[i] =
			_mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
	}
	for (int i = 0; i < 4; i += 2)
		quarter[i] = _mm_add_ps(_mm_movelh_ps(quarter[i], quarter[i + 1]),
					_mm_movehl_ps(quarter[i + 1], quarter[i]));
	return _mm_add_ps(_mm_shuffle_ps(quarter[0], quarter[2], _MM_SHUFFLE(2, 0, 2, 0)),
			  _mm_shuffle_ps(quarter[0], quarter[2], _MM_SHUFFLE(3, 1, 3, 1)));
}

/* Adds the columns that are left lane by lane, as nothing else is, and then the lanes. */
static float finish(bool f16, __m256 low, __m256 high, const void *a, const float *b, size_t from,
		    size_t n)
{
	float lane[LANES];

	_mm256_storeu_ps(lane, low);
	_mm256_storeu_ps(lane + WIDTH, high);
	for (size_t i = from; i < n; i++)
		lane[i - from] +=
			(f16 ? _cvtsh_ss(((const uint16_t *)a)[i]) : ((const float *)a)[i]) * b[i];
	return loops_tree(lane);
}

/* Four rows, or one, with one vector or two. */
AVX2_INLINE void multiply_rows(float *y, size_t y_stride, bool f16, int rows, int vectors,
			       const uint8_t *w, const float *x, size_t x_stride, uint32_t cols)
{
	const size_t size = f16 ? sizeof(uint16_t) : sizeof(float);
	const size_t whole = cols - cols % LANES;
	__m256 low[ROW_VECTORS][ROWS];
	__m256 high[ROW_VECTORS][ROWS];

	for (int v = 0; v < vectors; v++)
		for (int r = 0; r < rows; r++)
			low[v][r] = high[v][r] = _mm256_setzero_ps();
	for (size_t at = 0; at < whole; at += LANES)
		for (int r = 0; r < rows; r++) {
			const uint8_t *row = w + (size_t)r * cols * size;
			__m256 w0 = load_eight(f16, row, at);
			__m256 w1 = load_eight(f16, row, at + WIDTH);

			for (int v = 0; v < vectors; v++) {
				const float *part = x + (size_t)v * x_stride + at;

				low[v][r] = _mm256_add_ps(low[v][r],
							  _mm256_mul_ps(w0, _mm256_loadu_ps(part)));
				high[v][r] = _mm256_add_ps(
					high[v][r],
					_mm256_mul_ps(w1, _mm256_loadu_ps(part + WIDTH)));
			}
		}
	for (int v = 0; v < vectors; v++, y += y_stride, x += x_stride) {
		if (rows == ROWS && whole == cols)
			_mm_storeu_ps(y, trees(low[v], high[v]));
		else
			for (int r = 0; r < rows; r++)
				y[r] = finish(f16, low[v][r], high[v][r],
					      w + (size_t)r * cols * size, x, whole, cols);
	}
}

AVX2_INLINE void block_rows(float *y, size_t y_stride, bool f16, int vectors, const uint8_t *w,
			    const float *x, size_t x_stride, uint32_t rows, uint32_t cols)
{
	const size_t row = cols * (f16 ? sizeof(uint16_t) : sizeof(float));
	uint32_t r = 0;

	for (; r + ROWS <= rows; r += ROWS)
		multiply_rows(y + r, y_stride, f16, ROWS, vectors, w + r * row, x, x_stride, cols);
	for (; r < rows; r++)
		multiply_rows(y + r, y_stride, f16, 1, vectors, w + r * row, x, x_stride, cols);
}

AVX2_INLINE void all_rows(float *y, size_t y_stride, bool f16, const void *w, const float *x,
			  size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count)
{
	uint32_t v = 0;

	for (; v + ROW_VECTORS <= count; v += ROW_VECTORS)
		block_rows(y + v * y_stride, y_stride, f16, ROW_VECTORS, w, x + v * x_stride,
			   x_stride, rows, cols);
	if (v < count)
		block_rows(y + v * y_stride, 0, f16, 1, w, x + v * x_stride, 0, rows, cols);
}

void kg_kernel__avx2_rows_f32(float *y, size_t y_stride, const float *w, const float *x,
			      size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count)
{
	all_rows(y, y_stride, false, w, x, x_stride, rows, cols, count);
}

void kg_kernel__avx2_rows_f16(float *y, size_t y_stride, const uint16_t *w, const float *x,
			      size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count)
{
	all_rows(y, y_stride, true, w, x, x_stride, rows, cols, count);
}

AVX2_INLINE float dot_one(bool f16, const void *a, const float *b, size_t n)
{
	const size_t whole = n - n % LANES;
	__m256 low = _mm256_setzero_ps();
	__m256 high = _mm256_setzero_ps();

	for (size_t i = 0; i < whole; i += LANES) {
		low = _mm256_add_ps(low,
				    _mm256_mul_ps(load_eight(f16, a, i), _mm256_loadu_ps(b + i)));
		high = _mm256_add_ps(high, _mm256_mul_ps(load_eight(f16, a, i + WIDTH),
							 _mm256_loadu_ps(b + i + WIDTH)));
	}
	return finish(f16, low, high, a, b, whole, n);
}

float kg_kernel__avx2_dot_f32(const float *a, const float *b, size_t n)
{
	return dot_one(false, a, b, n);
}

float kg_kernel__avx2_dot_f16(const uint16_t *a, const float *b, size_t n)
{
	return dot_one(true, a, b, n);
}

/* The greatest of `least` and all x, or their sizes where `mask` takes the signs away; NaN is
 * passed over. */
AVX2_INLINE float greatest_of(const float *x, size_t n, float least, __m256 mask)
{
	__m256 most[PARTS];
	float lane[WIDTH];
	size_t i = 0;

	/* The second operand is taken where one is NaN. */
	for (int k = 0; k < PARTS; k++)
		most[k] = _mm256_set1_ps(least);
	for (; i + PARTS * WIDTH <= n; i += PARTS * WIDTH)
		for (size_t k = 0; k < PARTS; k++)
			most[k] = _mm256_max_ps(
				_mm256_and_ps(_mm256_loadu_ps(x + i + k * WIDTH), mask), most[k]);
	_mm256_storeu_ps(lane, _mm256_max_ps(_mm256_max_ps(most[0], most[1]),
					     _mm256_max_ps(most[2], most[3])));
	for (; i < n; i++) {
		float v = _mm256_cvtss_f32(_mm256_and_ps(_mm256_set1_ps(x[i]), mask));

		lane[0] = v > lane[0] ? v : lane[0];
	}
	for (int l = 0; l < WIDTH; l++)
		least = lane[l] > least ? lane[l] : least;
	return least;
}

static float greatest(const float *x, size_t n, float least)
{
	return greatest_of(x, n, least, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}

static float greatest_size(const float *x, size_t n, float least)
{
	return greatest_of(x, n, least, _mm256_castsi256_ps(_mm256_set1_epi32(INT32_MAX)));
}

uint32_t kg_kernel__avx2_argmax(const float *x, size_t n)
{
	float best = greatest(x, n, -INFINITY);
	const __m256 bests = _mm256_set1_ps(best);
	size_t i = 0;

	if (!(best > -INFINITY))
		return 0;
	while (i + WIDTH <= n &&
	       _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i), bests, _CMP_EQ_OQ)) == 0)
		i += WIDTH;
	while (x[i] != best)
		i++;
	return (uint32_t)i;
}

/* loops_exp, operation by operation. The first operand of a maximum or minimum loses when the
 * second is NaN, as in the definition. */
static inline __m256 exps(__m256 x)
{
	static const float factor[] = {1.3888889e-3f, 8.3333333e-3f, 4.1666667e-2f, 1.6666667e-1f,
				       0.5f};
	const __m256 round = _mm256_set1_ps(LOOPS_ROUND);
	const __m256 one = _mm256_set1_ps(1.0f);
	__m256 p = _mm256_set1_ps(1.9841270e-4f);
	__m256 t;
	__m256 k;
	__m256 r;

	x = _mm256_max_ps(_mm256_set1_ps(-87.0f), x);
	x = _mm256_min_ps(_mm256_set1_ps(88.0f), x);
	t = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), round);
	k = _mm256_sub_ps(t, round);
	r = _mm256_sub_ps(_mm256_sub_ps(x, _mm256_mul_ps(k, _mm256_set1_ps(0.693359375f))),
			  _mm256_mul_ps(k, _mm256_set1_ps(-2.12194440e-4f)));
	for (size_t i = 0; i < sizeof(factor) / sizeof(*factor); i++)
		p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(factor[i]));
	p = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(_mm256_mul_ps(p, r), r), r), one);
	return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_add_epi32(
					_mm256_slli_epi32(_mm256_castps_si256(t), 23),
					_mm256_castps_si256(one))));
}

void kg_kernel__avx2_softmax(float *x, size_t n)
{
	const size_t whole = n - n % LANES;
	float max = greatest(x, n, x[0]);
	const __m256 most = _mm256_set1_ps(max);
	__m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
	float lane[LANES];
	float scale;

	for (size_t i = 0; i < whole; i += LANES)
		for (size_t k = 0; k < 2; k++) {
			float *at = x + i + k * WIDTH;
			__m256 v = exps(_mm256_sub_ps(_mm256_loadu_ps(at), most));

			_mm256_storeu_ps(at, v);
			sum[k] = _mm256_add_ps(sum[k], v);
		}
	_mm256_storeu_ps(lane, sum[0]);
	_mm256_storeu_ps(lane + WIDTH, sum[1]);
	for (size_t i = whole; i < n; i++) {
		x[i] = loops_exp(x[i] - max);
		lane[i - whole] += x[i];
	}
	scale = 1.0f / loops_tree(lane);
	for (size_t i = 0; i < n; i++)
		x[i] *= scale;
}

void kg_kernel__avx2_weigh(float *p, const kg_kernel_scores *from)
{
	kg_kernel__weigh_by(p, from, kg_kernel__avx2_softmax);
}

void kg_kernel__avx2_add(float *x, const float *y, size_t n)
{
	kg_kernel__add_by(x, y, n);
}

void kg_kernel__avx2_norm(float *out, const float *x, const float *gain, size_t n, float divisor,
			  float eps)
{
	kg_kernel__norm_by(out, x, gain, n, divisor, eps, kg_kernel__avx2_dot_f32);
}

void kg_kernel__avx2_turn(float *x, const float *cosine, const float *sine, size_t n)
{
	kg_kernel__turn_by(x, cosine, sine, n);
}

void kg_kernel__avx2_swiglu(float *gate, const float *up, size_t n)
{
	const __m256 one = _mm256_set1_ps(1.0f);
	const __m256 sign = _mm256_set1_ps(-0.0f);
	const size_t whole = n - n % WIDTH;

	for (size_t i = 0; i < whole; i += WIDTH) {
		__m256 v = _mm256_loadu_ps(gate + i);
		__m256 e = exps(_mm256_xor_ps(v, sign));

		_mm256_storeu_ps(gate + i, _mm256_mul_ps(_mm256_div_ps(v, _mm256_add_ps(one, e)),
							 _mm256_loadu_ps(up + i)));
	}
	loops_swiglu(gate + whole, up + whole, n - whole);
}

/* Eight numbers times g, rounded, as bytes of their own words. */
AVX2_INLINE __m256i steps_of(const float *x, __m256 g)
{
	__m256 v = _mm256_mul_ps(_mm256_loadu_ps(x), g);

	v = _mm256_max_ps(_mm256_set1_ps(-127.0f), v);
	v = _mm256_min_ps(_mm256_set1_ps(127.0f), v);
	v = _mm256_add_ps(v, _mm256_set1_ps(LOOPS_ROUND));
	return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(255));
}

float kg_kernel__avx2_quantize(int8_t *q, const float *x, size_t n)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	const float g = 127.0f / greatest_size(x, n, 1e-5f);
	const __m256 factor = _mm256_set1_ps(g);
	size_t i = 0;

	for (; i + PARTS * WIDTH <= n; i += PARTS * WIDTH) {
		__m256i low = _mm256_packus_epi32(steps_of(x + i, factor),
						  steps_of(x + i + WIDTH, factor));
		__m256i high = _mm256_packus_epi32(steps_of(x + i + 2 * WIDTH, factor),
						   steps_of(x + i + 3 * WIDTH, factor));

		/* Packing goes by halves of a register. */
		store(q + i, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
	}
	for (; i < n; i++)
		q[i] = loops_step(x[i], g);
	return 1.0f / g;
}
