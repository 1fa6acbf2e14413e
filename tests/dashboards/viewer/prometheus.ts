// SPDX-License-Identifier: BSD-2-Clause
// What Grafana's data source for Prometheus does: variables into expressions, answers into frames.

import { type DataFrame, FieldType, type Labels, toDataFrame } from '@grafana/data';

export type Target = { refId: string; expr: string; legendFormat?: string; range: boolean; instant: boolean;
  format?: string };
export type Range = { from: number; to: number }; // seconds

type Series = { metric: Labels; values?: [number, string][]; value?: [number, string] };

const INTERVAL = 5; // seconds: what the data source's settings would say of how often Prometheus asks

export class Prometheus {
  // `variables`: name to value, as it goes into an expression.
  constructor(private variables: Record<string, string>, readonly range: Range) {}

  private filled(expr: string, step: number): string {
    const all: Record<string, string> = { ...this.variables, __range: `${this.range.to - this.range.from}s`,
      __rate_interval: `${Math.max(step + INTERVAL, 4 * INTERVAL)}s` };
    return expr.replace(/\$\{?(\w+)\}?/g, (whole, name) => all[name] ?? whole);
  }

  private async ask(path: string, parameters: Record<string, string | number>): Promise<Series[]> {
    const words = new URLSearchParams(Object.entries(parameters).map(([key, value]) => [key, String(value)]));
    const answer = await (await fetch(`/api/v1/${path}?${words}`)).json();
    if (answer.status !== 'success') {
      throw new Error(answer.error);
    }
    return answer.data.result;
  }

  // The frames of one query; `points`: as many as the panel is wide, `several`: it is one of a table's.
  async frames(target: Target, points: number, several: boolean): Promise<DataFrame[]> {
    const { from, to } = this.range;
    const step = Math.max(INTERVAL, Math.ceil((to - from) / points));
    const query = this.filled(target.expr, step);
    if (target.instant) {
      const series = await this.ask('query', { query, time: to });
      return target.format === 'table' ? [tableFrame(target, series, several)] :
        series.map((s) => frame(target, s, [s.value!], step));
    }
    const series = await this.ask('query_range', { query, start: from - (from % step), end: to - (to % step), step });
    return series.map((s) => frame(target, s, withGaps(s.values!, step), step));
  }
}

function legend(target: Target, labels: Labels): string {
  if (target.legendFormat === '__auto') {
    return Object.values(labels).join(' ') || target.expr;
  }
  return (target.legendFormat ?? '').replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? '');
}

// What is no number is not drawn.
function number(text: string | null): number | null {
  return text !== null && Number.isFinite(Number(text)) ? Number(text) : null;
}

type Points = [number, string | null][];

// A point without value where steps are missing: a line has a gap there.
function withGaps(values: [number, string][], step: number): Points {
  return values.flatMap(([time, value], i): Points =>
    i > 0 && time - values[i - 1][0] > step ? [[values[i - 1][0] + step, null], [time, value]] : [[time, value]]);
}

function frame(target: Target, { metric }: Series, values: Points, step: number): DataFrame {
  return toDataFrame({ refId: target.refId, fields: [
    { name: 'Time', type: FieldType.time, values: values.map(([time]) => time * 1000), config: { interval: step * 1000 } },
    { name: 'Value', type: FieldType.number, labels: metric, config: { displayNameFromDS: legend(target, metric) },
      values: values.map(([, value]) => number(value)) }] });
}

function tableFrame(target: Target, series: Series[], several: boolean): DataFrame {
  const labels = [...new Set(series.flatMap((s) => Object.keys(s.metric)))].sort();
  return toDataFrame({ refId: target.refId, fields: [
    { name: 'Time', type: FieldType.time, values: series.map((s) => s.value![0] * 1000) },
    ...labels.map((name) => ({ name, type: FieldType.string, values: series.map((s) => s.metric[name]) })),
    { name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number,
      values: series.map((s) => number(s.value![1])) }] });
}
