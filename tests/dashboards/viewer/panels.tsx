// SPDX-License-Identifier: BSD-2-Clause
// Panels of each type. Lines, single values and tables are Grafana's own components; gauge, pie and states are parts of
// Grafana's server, so that here they are only drawn in its colours.

import { type DataFrame, type DisplayValue, type FieldDisplay, dateTimeFormat, getDisplayValueAlignmentFactors,
  getFieldDisplayName, getFieldDisplayValues, type GrafanaTheme2, dateTime } from '@grafana/data';
import { BigValue, TimeSeries, useTheme2, VizLegend, VizRepeater, type VizLegendItem } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { LegendDisplayMode, VizOrientation } from '@grafana/schema';
import type { Range } from './prometheus';

export type PanelJson = { id: number; type: string; title: string; description?: string; targets: any[]; fieldConfig: any;
  gridPos: { x: number; y: number; w: number; h: number }; options: any; transformations?: any[] };
type Drawn = { panel: PanelJson; frames: DataFrame[]; range: Range; width: number; height: number };

const same = (text: string) => text;

function displays({ panel, frames }: Drawn, theme: GrafanaTheme2): FieldDisplay[] {
  return getFieldDisplayValues({ data: frames, fieldConfig: panel.fieldConfig, theme, replaceVariables: same,
    reduceOptions: panel.options.reduceOptions, timeZone: 'utc' });
}

function textOf(value: DisplayValue): string {
  return `${value.prefix ?? ''}${value.text}${value.suffix ?? ''}`;
}

export function Nothing({ panel, height }: Drawn) {
  return <div data-nothing style={{ display: 'flex', alignItems: 'center', justifyContent: 'center', height, opacity: 0.7 }}>
    {panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
}

function Stat(drawn: Drawn) {
  const theme = useTheme2(), { options } = drawn.panel;
  return <VizRepeater<FieldDisplay, any> source={drawn.frames} renderCounter={0} width={drawn.width} height={drawn.height}
    autoGrid getValues={() => displays(drawn, theme)} getAlignmentFactors={getDisplayValueAlignmentFactors}
    orientation={options.orientation} itemSpacing={3} renderValue={({ value, width, height, alignmentFactors, count }) =>
      <BigValue value={value.display} count={count} width={width} height={height} theme={theme}
        colorMode={options.colorMode} graphMode={options.graphMode} justifyMode={options.justifyMode}
        textMode={options.textMode} alignmentFactors={alignmentFactors} disableWideLayout={!options.wideLayout} />} />;
}

function arc(cx: number, cy: number, radius: number, from: number, to: number): string {
  const point = (share: number) => {
    const angle = Math.PI * (0.85 + 1.3 * share);
    return `${cx + radius * Math.cos(angle)} ${cy + radius * Math.sin(angle)}`;
  };
  return `M ${point(from)} A ${radius} ${radius} 0 ${(to - from) * 1.3 > 1 ? 1 : 0} 1 ${point(to)}`;
}

function Gauge(drawn: Drawn) {
  const theme = useTheme2(), { width, height } = drawn;
  const { min, max, thresholds } = drawn.panel.fieldConfig.defaults;
  const radius = Math.min(width / 2.3, height / 1.55), cx = width / 2, cy = radius + 4;
  const value = displays(drawn, theme)[0].display;
  const share = (number: number) => Math.min(1, Math.max(0, (number - min) / (max - min)));
  const steps: { value: number | null; color: string }[] = thresholds.steps;
  const known = Number.isFinite(value.numeric) && drawn.frames.length > 0;
  return <svg width={width} height={height}>
    <path d={arc(cx, cy, radius * 0.82, 0, 1)} fill="none" stroke={theme.colors.background.secondary}
      strokeWidth={radius * 0.24} />
    {known && <path d={arc(cx, cy, radius * 0.82, 0, share(value.numeric))} fill="none" stroke={value.color}
      strokeWidth={radius * 0.24} />}
    {steps.map((step, i) => <path key={i} fill="none" strokeWidth={radius * 0.05}
      stroke={theme.visualization.getColorByName(step.color)}
      d={arc(cx, cy, radius * 0.98, share(step.value ?? min), share(steps[i + 1]?.value ?? max))} />)}
    <text x={cx} y={cy + radius * 0.12} textAnchor="middle" fontSize={known ? radius * 0.38 : radius * 0.25} fontWeight={500}
      fill={known ? value.color : theme.colors.text.secondary}>{textOf(value)}</text>
  </svg>;
}

function Lines(drawn: Drawn) {
  const { frames, range, width, height, panel } = drawn;
  const timeRange = { from: dateTime(range.from * 1000), to: dateTime(range.to * 1000), raw: { from: 'then', to: 'now' } };
  return <TimeSeries frames={frames} width={width} height={height} timeRange={timeRange} timeZone="utc"
    legend={panel.options.legend} options={panel.options} structureRev={1} />;
}

type Stretch = { from: number; to: number; display: DisplayValue };

function stretches(frame: DataFrame, end: number): Stretch[] {
  const [time, value] = frame.fields, found: Stretch[] = [];
  time.values.forEach((at: number, i: number) => {
    const display = value.display!(value.values[i]), last = found.at(-1), next = time.values[i + 1] ?? end;
    if (last && last.display.text === display.text) {
      last.to = next;
    } else {
      found.push({ from: at, to: next, display });
    }
  });
  return found;
}

function States(drawn: Drawn) {
  const theme = useTheme2(), { frames, range, width, height } = drawn;
  const left = 70, bottom = 46, row = (height - bottom) / frames.length, from = range.from * 1000, to = range.to * 1000;
  const x = (time: number) => left + ((Math.max(from, time) - from) / (to - from)) * (width - left);
  const rows = frames.map((frame) => stretches(frame, to));
  const seen = new Map(rows.flat().map(({ display }) => [display.text, display.color]));
  const every = Math.ceil((to - from) / 6 / 30000) * 30000;
  const ticks = Array.from({ length: 7 }, (_, i) => Math.ceil(from / every) * every + i * every)
    .filter((time) => time < to - every / 4);
  const legend = [...seen].map(([label, color]) => ({ label, color, yAxis: 1 }));
  return <>
    <svg width={width} height={height - 26}>
      {rows.map((row_, i) => <g key={i}>
        <text x={left - 8} y={(i + 0.5) * row + 4} textAnchor="end" fontSize={12} fill={theme.colors.text.primary}>
          {getFieldDisplayName(frames[i].fields[1], frames[i], frames)}</text>
        {row_.map((stretch, j) => <g key={j}>
          <rect x={x(stretch.from)} width={Math.max(0, x(stretch.to) - x(stretch.from))} y={(i + 0.05) * row} height={row * 0.9}
            fill={stretch.display.color} fillOpacity={0.75} />
          {x(stretch.to) - x(stretch.from) > 30 && <text x={x(stretch.from) + 6} y={(i + 0.5) * row + 4} fontSize={12}
            fill={theme.colors.getContrastText(stretch.display.color!)}>{stretch.display.text}</text>}</g>)}
      </g>)}
      {ticks.map((time) => <text key={time} x={x(time)} y={height - bottom + 15} fontSize={12} textAnchor="middle"
        fill={theme.colors.text.primary}>{dateTimeFormat(time, { format: 'HH:mm:ss', timeZone: 'utc' })}</text>)}
    </svg>
    <VizLegend placement="bottom" displayMode={LegendDisplayMode.List} items={legend} />
  </>;
}

function Pie(drawn: Drawn) {
  const theme = useTheme2(), { width, height } = drawn;
  const values = displays(drawn, theme).map(({ display }) => display).filter(({ numeric }) => numeric > 0)
    .sort((a, b) => b.numeric - a.numeric);
  const total = values.reduce((sum, { numeric }) => sum + numeric, 0);
  const items = values.map((value): VizLegendItem => ({ label: value.title ?? '', color: value.color!, yAxis: 1,
    getDisplayValues: () => [{ ...value, title: 'Value' }] }));
  const size = Math.min(height, width * 0.48), ring = size * 0.13, radius = size / 2 - ring / 2 - 2;
  let before = 0;
  const parts = values.map(({ color, numeric }) => {
    const begin = before, share = numeric / total;
    before += share;
    return { color, begin, share, end: before };
  });
  const at = (share: number, r: number) =>
    [size / 2 + r * Math.sin(2 * Math.PI * share), size / 2 - r * Math.cos(2 * Math.PI * share)];
  return <div style={{ display: 'flex', alignItems: 'center', height }}>
    <svg width={size} height={size} style={{ flexShrink: 0 }}>
      {parts.map(({ color, begin, share, end }, i) => share > 0.9999 ?
        <circle key={i} cx={size / 2} cy={size / 2} r={radius} fill="none" stroke={color} strokeWidth={ring} /> :
        <path key={i} fill="none" stroke={color} strokeWidth={ring}
          d={`M ${at(begin, radius).join(' ')} A ${radius} ${radius} 0 ${share > 0.5 ? 1 : 0} 1 ` +
            at(end, radius).join(' ')} />)}
      {parts.filter(({ share }) => share > 0.06).map(({ begin, end, share }, i) => {
        const [x, y] = at((begin + end) / 2, radius - ring * 1.15);
        return <text key={i} x={x} y={y + 4} textAnchor="middle" fontSize={12} fill={theme.colors.text.primary}>
          {Math.round(share * 100)}%</text>;
      })}
    </svg>
    <div style={{ flexGrow: 1, overflow: 'hidden' }}>
      <VizLegend placement="right" displayMode={LegendDisplayMode.Table} items={items} />
    </div>
  </div>;
}

function Table({ frames, panel, width, height }: Drawn) {
  return <TableNG data={frames[0]} width={width} height={height} cellHeight={panel.options.cellHeight} structureRev={1}
    noHeader={!panel.options.showHeader} fieldConfig={panel.fieldConfig} enableVirtualization={false} />;
}

export const KINDS: Record<string, (drawn: Drawn) => React.JSX.Element> = {
  stat: Stat, gauge: Gauge, timeseries: Lines, 'state-timeline': States, piechart: Pie, table: Table };
// These say themselves what to say where there is nothing.
export const SPEAKS_FOR_ITSELF = new Set(['stat', 'gauge']);

export function isEmpty(frames: DataFrame[]): boolean {
  return !frames.some((frame) => frame.length > 0);
}
