/** JSON Schemas as constants, with types inferred from them, so that checks, OpenAPI document and client have one source. */

export type Schema =
  | {
      type: 'string';
      enum?: readonly string[];
      pattern?: string;
      maxLength?: number;
      minLength?: number;
      description?: string;
    }
  | { type: 'number' | 'integer'; minimum?: number; maximum?: number; exclusiveMaximum?: number; description?: string }
  | { type: 'boolean' | 'null'; description?: string }
  | { type: 'array'; items: Schema; minItems?: number; maxItems?: number; description?: string }
  | {
      type: 'object';
      properties?: Readonly<Record<string, Schema>>;
      required?: readonly string[];
      additionalProperties?: Schema | boolean;
      description?: string;
    }
  | { anyOf: readonly Schema[]; description?: string };

/** The type of the values that a schema accepts. */
export type Infer<S> = S extends { anyOf: readonly (infer Each)[] }
  ? Infer<Each>
  : S extends { enum: readonly (infer Value)[] }
    ? Value
    : S extends { type: 'string' }
      ? string
      : S extends { type: 'number' | 'integer' }
        ? number
        : S extends { type: 'boolean' }
          ? boolean
          : S extends { type: 'null' }
            ? null
            : S extends { type: 'array'; items: infer Item }
              ? Infer<Item>[]
              : S extends { type: 'object'; properties: infer Properties }
                ? InferObject<Properties, S extends { required: readonly (infer Name)[] } ? Name : never>
                : S extends { type: 'object'; additionalProperties: infer Value extends object }
                  ? Record<string, Infer<Value>>
                  : Record<string, unknown>;

export type InferObject<Properties, Required> = {
  -readonly [Name in keyof Properties as Name extends Required ? Name : never]: Infer<Properties[Name]>;
} & { -readonly [Name in keyof Properties as Name extends Required ? never : Name]?: Infer<Properties[Name]> };

export interface ObjectSchema<P, R extends readonly string[]> {
  type: 'object';
  properties: P;
  required: R;
  additionalProperties: false;
}

/** The schema of an object with these properties and no others. @param required names of the required ones; default: none */
export function object<const P extends Record<string, Schema>>(properties: P): ObjectSchema<P, readonly []>;
export function object<const P extends Record<string, Schema>, const R extends readonly (keyof P & string)[]>(
  properties: P,
  required: R,
): ObjectSchema<P, R>;
export function object(properties: Record<string, Schema>, required: readonly string[] = []) {
  return { type: 'object', properties, required, additionalProperties: false };
}

export function list<const S extends Schema>(items: S, maxItems: number, minItems = 0) {
  return { type: 'array' as const, items, maxItems, minItems };
}

export function described<const S extends Schema>(schema: S, description: string): S {
  return { ...schema, description };
}
