// SPDX-License-Identifier: BSD-2-Clause
// The settings of a field that our dashboards use. Grafana's packages know how to apply them, and take
// the list of those that there are from its server's part.

import { type FieldConfigPropertyItem, FieldConfigOptionsRegistry, identityOverrideProcessor, standardTransformers,
  standardTransformersRegistry, type TransformerRegistryItem } from '@grafana/data';

const STANDARD = ['unit', 'min', 'max', 'decimals', 'noValue', 'displayName', 'color', 'thresholds', 'mappings', 'links'];
const CUSTOM = ['lineStyle', 'lineWidth', 'lineInterpolation', 'fillOpacity', 'spanNulls', 'showPoints', 'pointSize',
  'drawStyle', 'stacking', 'thresholdsStyle', 'axisPlacement', 'align', 'filterable', 'cellOptions', 'inspect', 'width'];

function item(name: string, isCustom: boolean): FieldConfigPropertyItem {
  const id = isCustom ? `custom.${name}` : name;
  const unused = () => null;
  return { id, path: name, name, isCustom, settings: {}, editor: unused, override: unused,
    process: identityOverrideProcessor, shouldApply: () => true } as unknown as FieldConfigPropertyItem;
}

export const REGISTRY = new FieldConfigOptionsRegistry(
  () => [...STANDARD.map((name) => item(name, false)), ...CUSTOM.map((name) => item(name, true))]);

export function knowTransformations() {
  const ours = [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer,
    standardTransformers.renameByRegexTransformer];
  standardTransformersRegistry.setInit(() => ours.map((transformer) =>
    ({ id: transformer.id, name: transformer.name, transformation: async () => transformer }) as TransformerRegistryItem));
}
