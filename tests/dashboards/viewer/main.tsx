// SPDX-License-Identifier: BSD-2-Clause
// One dashboard, drawn with Grafana's panel library; this is not Grafana.
//   /?dashboard=UID&from=SECONDS&to=SECONDS

import { applyFieldOverrides, cacheFieldDisplayNames, createTheme, type DataFrame, dateTimeFormat, ThemeContext,
  transformDataFrame } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { Component, type ReactNode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { firstValueFrom } from 'rxjs';
import 'uplot/dist/uPlot.min.css';
import { knowTransformations, REGISTRY } from './fields';
import { isEmpty, KINDS, Nothing, type PanelJson, SPEAKS_FOR_ITSELF } from './panels';
import { Prometheus } from './prometheus';

// Grafana's grid.
const COLUMNS = 24, ROW = 30, GAP = 8, HEAD = 56;
const theme = createTheme({ colors: { mode: 'dark' } });

class Safe extends Component<{ children: ReactNode; failed: (why: unknown) => void }> {
  state = { failed: false };
  static getDerivedStateFromError() { return { failed: true }; }
  componentDidCatch(why: unknown) { this.props.failed(why); }
  render() { return this.state.failed ? null : this.props.children; }
}

async function framesOf(panel: PanelJson, prometheus: Prometheus, points: number): Promise<DataFrame[]> {
  const several = panel.targets.length > 1;
  let frames = (await Promise.all(panel.targets.map((target) => prometheus.frames(target, points, several)))).flat();
  if (panel.transformations?.length) {
    frames = await firstValueFrom(transformDataFrame(panel.transformations, frames));
  }
  frames = applyFieldOverrides({ data: frames, fieldConfig: panel.fieldConfig, fieldConfigRegistry: REGISTRY, theme,
    timeZone: 'utc', replaceVariables: (text) => text });
  cacheFieldDisplayNames(frames);
  return frames;
}

function Panel({ panel, prometheus, column }: { panel: PanelJson; prometheus: Prometheus; column: number }) {
  const { x, y, w, h } = panel.gridPos, width = w * column - GAP, height = h * (ROW + GAP) - GAP;
  const [frames, setFrames] = useState<DataFrame[]>(), [why, setWhy] = useState('');
  useEffect(() => {
    if (panel.type !== 'row') {
      framesOf(panel, prometheus, width).then(setFrames, (error) => setWhy(String(error)));
    }
  }, []);
  const place = { position: 'absolute', left: x * column, top: y * (ROW + GAP), width, height } as const;
  if (panel.type === 'row') {
    const look = { ...place, font: '500 16px Inter', lineHeight: '30px' };
    return <div data-panel={panel.title} data-kind="row" data-state="drawn" style={look}>⌄ {panel.title}</div>;
  }
  const state = why ? 'failed' : !frames ? 'asked' : isEmpty(frames) ? 'empty' : 'drawn';
  const Kind = KINDS[panel.type];
  return <div style={place} data-panel={panel.title} data-kind={panel.type} data-state={state} data-why={why}>
    <PanelChrome title={panel.title} description={panel.description} width={width} height={height}>
      {(inner, tall) => frames && <Safe failed={(error) => setWhy(String(error))}>
        {((Body) => <Body panel={panel} frames={frames} range={prometheus.range} width={inner} height={tall} />)(
          state === 'empty' && !SPEAKS_FOR_ITSELF.has(panel.type) ? Nothing : Kind)}</Safe>}
    </PanelChrome>
  </div>;
}

function Page({ dashboard, prometheus }: { dashboard: any; prometheus: Prometheus }) {
  const column = (document.body.clientWidth - GAP) / COLUMNS, { from, to } = prometheus.range;
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }: PanelJson) => gridPos.y + gridPos.h)) * (ROW + GAP);
  const clock = (seconds: number) => dateTimeFormat(seconds * 1000, { format: 'HH:mm:ss', timeZone: 'utc' });
  const label = { background: theme.colors.background.secondary, padding: '4px 8px', borderRadius: 2 };
  return <div style={{ padding: GAP, position: 'relative', height: HEAD + bottom }}>
    <div style={{ display: 'flex', gap: 12, height: HEAD - GAP, alignItems: 'center' }}>
      <span style={{ font: '500 20px Inter' }}>{dashboard.title}</span>
      {dashboard.templating.list.filter(({ type }: any) => type === 'query').map(({ name, label: text }: any) =>
        <span key={name} style={label}><b>{text}</b>&ensp;All</span>)}
      <span style={{ marginLeft: 'auto', color: theme.colors.text.secondary }}>drawn with Grafana's panel library</span>
      <span style={label}>{clock(from)} to {clock(to)} UTC</span>
    </div>
    <div style={{ position: 'relative' }}>
      {dashboard.panels.map((panel: PanelJson) =>
        <Panel key={panel.id} panel={panel} prometheus={prometheus} column={column} />)}
    </div>
  </div>;
}

async function main() {
  const asked = new URLSearchParams(location.search);
  const dashboard = await (await fetch(`/dashboards/${asked.get('dashboard')}.json`)).json();
  const variables = Object.fromEntries(dashboard.templating.list.map(({ name, allValue }: any) => [name, allValue]));
  const range = { from: Number(asked.get('from')), to: Number(asked.get('to')) };
  knowTransformations();
  await initPluginTranslations('viewer');
  await Promise.all(['400', '500'].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
  createRoot(document.getElementById('page')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Page dashboard={dashboard} prometheus={new Prometheus(variables, range)} />
    </ThemeContext.Provider>);
}

main().catch((error) => { document.title = `failed: ${error}`; });
