/* plot_style.c: colours and dashes. See plot.h.
 *
 * The hues are far apart, neighbours in the list all the more; lightness is
 * in the middle, so that they read on white and on near-black. */
#include "bench/whatif/plot.h"

static const char *const colours[PLOT_STYLES] = {
	"#e0342b", "#3b7dd8", "#2f9e5b", "#b0741a", "#8c5bd6", "#1495a3", "#d1589b",
	"#7d8b1f", "#5a6fb5", "#c4623f", "#3f9a8c", "#9a5c7a", "#6b7f93", "#a0883c",
	"#4c8fce", "#70a33f", "#b264c4", "#8a7a6a", "#2c6fbb", "#c27a2c", "#238a6b",
	"#a3456f", "#7a68c9", "#6f8f2a", "#b35353",
};

static const char *const dashes[] = { "none", "7 3", "2 3", "9 3 2 3" };

void plot_style(FILE *out)
{
	fputs("svg text{font:12px system-ui,sans-serif;fill:#333}"
	      "svg .pt{font-size:14px;font-weight:600}"
	      ".ax{stroke:#777;stroke-width:1;fill:none}.gr{stroke:#ddd;stroke-width:1}"
	      ".mk{stroke:#777;stroke-width:1;stroke-dasharray:4 3}"
	      ".ln{fill:none;stroke-width:1.4;stroke-linejoin:round}\n",
	      out);
	for (int i = 0; i < PLOT_STYLES; i++)
		fprintf(out,
		        ".s%d{stroke:%s}.f%d{fill:%s;stroke:none}svg text.t%d{fill:%s}"
		        ".d%d{stroke-dasharray:%s}\n",
		        i, colours[i], i, colours[i], i, colours[i], i,
		        i == 0 ? "none" : dashes[(i - 1) / 6 % 4]);
	fputs(".ln.s0{stroke-width:3.5}svg text.t0{font-weight:700}\n"
	      "@media (prefers-color-scheme:dark){svg text{fill:#ccc}.gr{stroke:#333}"
	      ".ax,.mk{stroke:#888}}\n",
	      out);
}

void plot_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			/* other control bytes are not allowed in HTML at all */
			putc((unsigned char)*text < ' ' ? ' ' : *text, out);
		}
	}
}
