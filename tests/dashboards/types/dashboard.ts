// SPDX-License-Identifier: BSD-2-Clause
// What a dashboard of ours may say, made of the types that Grafana's own code is compiled with. Grafana's
// Dashboard leaves `options` and `fieldConfig.defaults.custom` open, since every panel type has its own; here they
// are those of the panel's type, and a key that is in neither is an error.

import type * as g from '@grafana/schema';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type * as pie from '@grafana/schema/dist/esm/raw/composable/piechart/panelcfg/x/PieChartPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as states from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as time from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// As JSON has it: an enum's member is its text.
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[] :
  T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

// A query of Grafana's data source for Prometheus, whose types are in no package that may be used here.
type Query = { refId: string; datasource: g.DataSourceRef; editorMode?: 'code' | 'builder'; expr: string; legendFormat?: string;
  range: boolean; instant: boolean; format?: 'time_series' | 'table' | 'heatmap'; interval?: string };

type Field<Custom> = Plain<Omit<g.FieldConfig, 'custom' | 'thresholds'>> & { thresholds?: Plain<g.ThresholdsConfig> } &
  { custom?: Partial<Plain<Custom>> };
type Property<Custom> =
  { [K in keyof Field<Custom> & string]-?: { id: K; value: Field<Custom>[K] } }[Exclude<keyof Field<Custom>, 'custom'> & string] |
  { [K in keyof Plain<Custom> & string]-?: { id: `custom.${K}`; value: Plain<Custom>[K] } }[keyof Plain<Custom> & string];
type Matcher = { id: 'byName' | 'byRegexp' | 'byFrameRefID'; options: string };
type Transformation = { id: 'merge'; options: {} } | { id: 'renameByRegex'; options: { regex: string; renamePattern: string } } |
  { id: 'organize'; options: { excludeByName?: Record<string, boolean>; indexByName?: Record<string, number>;
    renameByName?: Record<string, string> } };

// The schema gives the links of a panel the type of a dashboard's; Grafana keeps these of them.
type PanelLink = Pick<g.DashboardLink, 'title' | 'targetBlank' | 'url'>;

type Panel<Type extends string, Options, Custom = {}> =
  Omit<Plain<g.Panel>, 'type' | 'options' | 'fieldConfig' | 'targets' | 'links' | 'transformations'> & {
    type: Type; options: Partial<Plain<Options>>; targets: Query[]; links: PanelLink[]; transformations: Transformation[];
    fieldConfig: { defaults: Field<Custom>; overrides: { matcher: Matcher; properties: Property<Custom>[] }[] } };

type AnyPanel = Plain<g.RowPanel> | Panel<'stat', stat.Options> | Panel<'gauge', gauge.Options> |
  Panel<'timeseries', time.Options, time.FieldConfig> | Panel<'state-timeline', states.Options, states.FieldConfig> |
  Panel<'piechart', pie.Options, pie.FieldConfig> | Panel<'table', table.Options, table.FieldConfig>;

// What the data source for Prometheus makes of its events.
type Annotation = Omit<Plain<g.AnnotationQuery>, 'target'> & { target: Omit<Query, 'range' | 'instant' | 'datasource'>;
  titleFormat?: string; textFormat?: string; tagKeys?: string };
// Grafana writes the query of a variable in words beside it.
type Variable = Plain<g.VariableModel> & { definition?: string };

export type Dashboard = Omit<Plain<g.Dashboard>, 'panels' | 'annotations' | 'templating'> & {
  panels: AnyPanel[]; annotations: { list: Annotation[] }; templating: { list: Variable[] } };
