/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "cli/quantize.h"

enum {
	WIDTH = 760,
	HEIGHT = 420,
	LEFT = 84, /* the plot's edges */
	RIGHT = 600,
	TOP = 64,
	BOTTOM = 350,
	TITLE = 28, /* lines of text: what the model is called, how it is quantized */
	SUBTITLE = 48,
	TITLE_SIZE = 16,
	TITLE_CHARACTERS = 60, /* of a name that fit at this size */
	TICKS = 5,             /* of errors */
	LABELS_MAX = 16,       /* of layers */
};

/* Seven hues told apart on white and on black, by those too who see fewer of them. */
static const char *const light[KG_STRATEGY_CLASSES] = {"#0072b2", "#d55e00", "#009e73", "#aa3d86",
						       "#7a6a00", "#2a8fc4", "#555555"};
static const char *const dark[KG_STRATEGY_CLASSES] = {"#56b4e9", "#ff9347", "#2bd19f", "#e58ac4",
						      "#f0e442", "#8ad0ff", "#aaaaaa"};

static void put_colours(kg_buf *out, const char *paper, const char *ink, const char *faint,
			const char *const hue[KG_STRATEGY_CLASSES])
{
	kg_buf_printf(out, ".p{fill:%s}text{fill:%s}.g{stroke:%s}", paper, ink, faint);
	for (int k = 0; k < KG_STRATEGY_CLASSES; k++)
		kg_buf_printf(out, ".l%d{stroke:%s}.d%d{fill:%s}", k, hue[k], k, hue[k]);
}

static void put_style(kg_buf *out)
{
	kg_buf_puts(out, "<style>text{font:13px sans-serif}.t{font-size:16px;font-weight:bold}"
			 "polyline,.k{fill:none;stroke-width:2}");
	/* The feed-forward part is dashed: fewer hues to tell apart, and lines that meet are seen.
	 */
	for (int k = 0; k < KG_STRATEGY_CLASSES; k++)
		if (kg_quantize_classes[k] >= KG_TENSOR_FFN_GATE)
			kg_buf_printf(out, ".l%d{stroke-dasharray:7 3}", k);
	put_colours(out, "#ffffff", "#222222", "#dddddd", light);
	kg_buf_puts(out, "@media(prefers-color-scheme:dark){");
	put_colours(out, "#111111", "#dddddd", "#333333", dark);
	kg_buf_puts(out, "}</style>\n");
	kg_buf_printf(out, "<rect class=\"p\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
}

static void put_escaped(kg_buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '&':
			kg_buf_puts(out, "&amp;");
			break;
		case '<':
			kg_buf_puts(out, "&lt;");
			break;
		case '>':
			kg_buf_puts(out, "&gt;");
			break;
		case '"':
			kg_buf_puts(out, "&quot;");
			break;
		default:
			kg_buf_put(out, text, 1);
		}
}

/* A name can be any bytes; what is not UTF-8 would spoil the document. */
static void put_name(kg_buf *out, const char *name)
{
	json_t *text = json_string(name);

	put_escaped(out, text == NULL ? "the model" : name);
	json_decref(text);
}

/* A long name is set in smaller letters, so that it ends where the picture does. */
static void put_titles(kg_buf *out, const kg_quantize_result *result)
{
	kg_strategy strategy = kg_model_strategy(result->model);
	const char *name = kg_model_name(result->model);

	kg_buf_printf(out, "<text class=\"t\" x=\"%d\" y=\"%d\"", LEFT, TITLE);
	if (strlen(name) > TITLE_CHARACTERS)
		kg_buf_printf(out, " style=\"font-size:%.1fpx\"",
			      TITLE_SIZE * TITLE_CHARACTERS / (double)strlen(name));
	kg_buf_puts(out, ">");
	put_name(out, name);
	kg_buf_printf(out, "</text>\n<text x=\"%d\" y=\"%d\">", LEFT, SUBTITLE);
	put_escaped(out, kg_strategy_name(&strategy));
	kg_buf_puts(out, result->calibration_windows > 0 ? ", calibrated" : "");
	kg_buf_puts(out, "</text>\n");
}

/* The end of the axis: a round number that is not below the greatest error. */
static double axis_end(const kg_report *report)
{
	static const double steps[] = {1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0};
	double most = 0.0;
	double power;

	for (uint32_t i = 0; i < report->count; i++) {
		double error = kg_report_error(&report->row[i].sum);

		if (kg_tensor_role_is_linear(report->row[i].tensor->role) && isfinite(error))
			most = fmax(most, error);
	}
	if (most <= 0.0)
		return 1.0;
	power = pow(10.0, floor(log10(most)));
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (most <= steps[i] * power)
			return steps[i] * power;
	return 10.0 * power;
}

static double x_of(uint32_t layer, uint32_t layers)
{
	if (layers == 1)
		return (LEFT + RIGHT) / 2.0;
	return LEFT + (double)(RIGHT - LEFT) * layer / (layers - 1);
}

static double y_of(double error, double end)
{
	double share = isfinite(error) ? error / end : 1.0;

	return BOTTOM - (BOTTOM - TOP) * fmin(share, 1.0);
}

static void put_axes(kg_buf *out, uint32_t layers, double end)
{
	uint32_t every = (layers + LABELS_MAX - 1) / LABELS_MAX;

	for (int i = 0; i <= TICKS; i++) {
		double error = end * i / TICKS;
		double y = y_of(error, end);

		kg_buf_printf(out,
			      "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n"
			      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n",
			      LEFT, RIGHT, y, y, LEFT - 8, y + 4.0, error);
	}
	for (uint32_t l = 0; l < layers; l += every)
		kg_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%u</text>\n",
			      x_of(l, layers), BOTTOM + 20, l);
	kg_buf_printf(out,
		      "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">layer</text>\n"
		      "<text x=\"20\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 20 "
		      "%d)\">relative squared error of the weights</text>\n",
		      (LEFT + RIGHT) / 2, BOTTOM + 44, (TOP + BOTTOM) / 2, (TOP + BOTTOM) / 2);
}

/* One class: its line, its points, its name at the side. */
static void put_class(kg_buf *out, const kg_quantize_result *result, int k, double end)
{
	uint32_t layers = kg_model_get_config(result->model)->layers;
	const kg_report *report = &result->report;
	int y = TOP + 10 + 24 * k;

	kg_buf_printf(out, "<polyline class=\"l%d\" points=\"", k);
	for (uint32_t i = 0; i < report->count; i++)
		if (report->row[i].tensor->role == kg_quantize_classes[k])
			kg_buf_printf(out, "%.1f,%.1f ", x_of(report->row[i].tensor->layer, layers),
				      y_of(kg_report_error(&report->row[i].sum), end));
	kg_buf_puts(out, "\"/>\n");
	for (uint32_t i = 0; i < report->count; i++)
		if (report->row[i].tensor->role == kg_quantize_classes[k])
			kg_buf_printf(out,
				      "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" "
				      "class=\"d%d\"><title>%s: %.6g</title></circle>\n",
				      x_of(report->row[i].tensor->layer, layers),
				      y_of(kg_report_error(&report->row[i].sum), end), k,
				      report->row[i].tensor->name,
				      kg_report_error(&report->row[i].sum));
	kg_buf_printf(out,
		      "<line class=\"k l%d\" x1=\"%d\" x2=\"%d\" y1=\"%d\" "
		      "y2=\"%d\"/>\n<text x=\"%d\" y=\"%d\">%s</text>\n",
		      k, RIGHT + 20, RIGHT + 44, y, y, RIGHT + 52, y + 4,
		      kg_quantize_class_name(kg_quantize_classes[k]));
}

void kg_quantize_svg(kg_buf *out, const kg_quantize_result *result)
{
	double end = axis_end(&result->report);

	kg_buf_printf(out,
		      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		      "width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"title\">\n"
		      "<title id=\"title\">",
		      WIDTH, HEIGHT, WIDTH, HEIGHT);
	put_name(out, kg_model_name(result->model));
	kg_buf_puts(out, ": errors of quantized weights by layer</title>\n");
	put_style(out);
	put_titles(out, result);
	put_axes(out, kg_model_get_config(result->model)->layers, end);
	for (int k = 0; k < KG_STRATEGY_CLASSES; k++)
		put_class(out, result, k, end);
	kg_buf_puts(out, "</svg>\n");
}
