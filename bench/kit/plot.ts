import type { Axis, Plot } from "./bench.js";

/** A line of more points is drawn without marks at them: each takes 300 bytes of the file. */
const MARKED = 20;

/** Draws a plot as an SVG file. */
export async function drawPlot({ title, x, y, marks = "line", series }: Plot): Promise<string> {
  const echarts = await import("echarts");
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 900, height: 420 });
  const axis = ({ name, scale = "linear" }: Axis) => ({
    type: scale === "log" ? ("log" as const) : ("value" as const),
    name,
    nameLocation: "middle" as const,
    nameGap: 40,
  });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: "center", textStyle: { fontSize: 15 } },
    legend: { top: 30 },
    grid: { left: 80, right: 30, top: 70, bottom: 60 },
    xAxis: axis(x),
    yAxis: axis(y),
    series: series.map(({ name, points }) => ({
      name,
      type: marks === "dots" ? ("scatter" as const) : ("line" as const),
      symbolSize: marks === "dots" ? 5 : 6,
      ...(marks === "line" && { showSymbol: points.length <= MARKED }),
      data: points.map((point) => [...point]),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
