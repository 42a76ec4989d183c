/** Everything of a learner that training changes, as plain arrays, and back: what checkpoints and saved models hold. */
import type { NativeState } from '../foundation/addon.js';
import { nativeError } from '../foundation/addon.js';
import type { FloatArray } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Learner } from './learner.js';
import type { NamedArray } from '../files/safetensors.js';

export interface LearnerState {
  store: NativeState;
  rates: NativeState | undefined;
  stepRates: { values: FloatArray; first: Float64Array; second: Float64Array; step: number } | undefined;
}

/** A copy of the learner's state. */
export function captureState({ model, store, rateStore, stepRates, stepRateAdam }: Learner): LearnerState {
  const { ops } = model;
  try {
    return {
      store: ops.readState(store),
      rates: rateStore && ops.readState(rateStore),
      stepRates: stepRates && {
        values: stepRates.slice(),
        first: stepRateAdam!.first.slice(),
        second: stepRateAdam!.second.slice(),
        step: stepRateAdam!.step,
      },
    };
  } catch (error) {
    throw nativeError(error);
  }
}

/** @param field of the source, for messages */
export function restoreState(learner: Learner, state: LearnerState, field: string): void {
  const { model, store, rateStore, stepRates, stepRateAdam } = learner;
  const { stepRates: steps } = state;
  if (
    (rateStore === undefined) !== (state.rates === undefined) ||
    [steps?.values, steps?.first, steps?.second].some((array) => array?.length !== stepRates?.length)
  ) {
    throw new InnerloopError('MODEL_FILE', 'the inner rates do not fit the algorithm', { field });
  }
  learner.changed();
  if (steps !== undefined && !(Number.isInteger(steps.step) && steps.step >= 0)) {
    throw new InnerloopError('MODEL_FILE', 'the number of steps is damaged', { field, value: steps.step });
  }
  try {
    model.ops.writeState(store, state.store);
    if (rateStore !== undefined) model.ops.writeState(rateStore, state.rates!);
  } catch (cause) {
    throw new InnerloopError('MODEL_FILE', 'the state does not fit the model', { field, cause: nativeError(cause) });
  }
  if (steps === undefined) return;
  stepRates!.set(steps.values);
  stepRateAdam!.first.set(steps.first);
  stepRateAdam!.second.set(steps.second);
  stepRateAdam!.step = steps.step;
}

/** The state as named tensors, every name under `prefix`. */
export function stateTensors(state: LearnerState, prefix: string): Record<string, NamedArray> {
  const tensors: Record<string, NamedArray> = {};
  const add = (name: string, data: NamedArray['data']) => (tensors[prefix + name] = { shape: [data.length], data });
  for (const [name, native] of [
    ['parameters', state.store],
    ['rates', state.rates],
  ] as const) {
    if (native === undefined) continue;
    add(`${name}.values`, native.values);
    add(`${name}.firstMoment`, native.firstMoment);
    add(`${name}.secondMoment`, native.secondMoment);
    add(`${name}.touched`, native.touched);
    add(`${name}.step`, Float64Array.of(native.step));
  }
  if (state.stepRates !== undefined) {
    add('stepRates.values', state.stepRates.values);
    add('stepRates.first', state.stepRates.first);
    add('stepRates.second', state.stepRates.second);
    add('stepRates.step', Float64Array.of(state.stepRates.step));
  }
  return tensors;
}

/** The inverse of {@link stateTensors}; undefined if nothing stands under `prefix`. */
export function stateFrom(
  tensors: Record<string, NamedArray>,
  prefix: string,
  precision: 'float32' | 'float64',
  field: string,
): LearnerState | undefined {
  if (tensors[`${prefix}parameters.values`] === undefined) return undefined;
  const kind = precision === 'float32' ? Float32Array : Float64Array;
  const get = <A extends NamedArray['data']>(name: string, type: abstract new (...args: never[]) => A): A => {
    const data = tensors[prefix + name]?.data;
    if (!(data instanceof type)) {
      throw new InnerloopError('MODEL_FILE', `tensor ${prefix}${name} is missing or of another type`, {
        field,
        expected: type.name,
      });
    }
    return data;
  };
  const native = (name: string): NativeState => ({
    values: get<FloatArray>(`${name}.values`, kind),
    firstMoment: get<FloatArray>(`${name}.firstMoment`, kind),
    secondMoment: get<FloatArray>(`${name}.secondMoment`, kind),
    touched: get(`${name}.touched`, Float64Array),
    step: get(`${name}.step`, Float64Array)[0] ?? Number.NaN,
  });
  const has = (name: string) => tensors[prefix + name] !== undefined;
  return {
    store: native('parameters'),
    rates: has('rates.values') ? native('rates') : undefined,
    stepRates: has('stepRates.values')
      ? {
          values: get<FloatArray>('stepRates.values', kind),
          first: get('stepRates.first', Float64Array),
          second: get('stepRates.second', Float64Array),
          step: get('stepRates.step', Float64Array)[0] ?? Number.NaN,
        }
      : undefined,
  };
}
