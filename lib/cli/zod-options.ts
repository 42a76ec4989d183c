/** The configuration's schema of options that the library describes as data. */
import { z } from 'zod';
import { docOf } from '../foundation/options.js';
import type { OptionKind, OptionSpec, OptionTable } from '../foundation/options.js';

/** The schema of an options object, to stand in `z.strictObject`. */
export function zodShape(table: OptionTable): z.ZodRawShape {
  return Object.fromEntries(Object.entries(table).map(([name, spec]) => [name, zodOption(spec)]));
}

function zodOption(spec: OptionSpec): z.ZodType {
  const type = zodKind(spec);
  return (spec.required ? type : type.optional()).describe(docOf(spec));
}

function zodKind(kind: OptionKind): z.ZodType {
  switch (kind.kind) {
    case 'integer':
      return kind.max === undefined ? z.int().min(kind.min) : z.int().min(kind.min).max(kind.max);
    case 'number':
      return zodNumber(kind);
    case 'boolean':
      return z.boolean();
    case 'text':
      return z.string().min(1);
    case 'choice': {
      const texts = kind.of.filter((each) => typeof each === 'string');
      return texts.length === kind.of.length ? z.enum(texts) : z.literal([...kind.of]);
    }
    case 'list':
      return kind.least === undefined ? z.array(zodKind(kind.of)) : z.array(zodKind(kind.of)).min(kind.least);
    case 'object':
      return z.strictObject(zodShape(kind.fields));
    case 'variant':
      return z.union(
        Object.entries(kind.of).map(([name, table]) => z.strictObject({ kind: z.literal(name), ...zodShape(table) })),
      );
    case 'any':
      return z.union(kind.of.map(zodKind));
  }
}

function zodNumber({ min, max, above, fraction }: Extract<OptionKind, { kind: 'number' }>): z.ZodType {
  let number = z.number();
  if (above !== undefined) number = number.gt(above);
  if (min !== undefined) number = number.min(min);
  if (max !== undefined) number = number.max(max);
  return fraction ? number.lt(1) : number;
}
