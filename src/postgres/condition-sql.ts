import type { Column, Comparison, Condition, Value } from '../files/condition/condition.ts';
import { COLUMNS } from '../files/condition/condition.ts';

/** Every operator as it stands in SQL. What is not listed cannot come into a statement, whatever a condition holds at run time. */
const OPERATORS: Readonly<Record<Comparison, string>> = Object.freeze({ '=': '=', '<>': '<>', '<': '<', '<=': '<=', '>': '>', '>=': '>=' });
const CASTS = Object.freeze({ number: 'numeric', text: 'text', time: 'timestamptz', id: 'uuid' });

/** As `fileTags` has it. */
const FOLDER = `(case when position('/' in path) = 0 then '/' else coalesce(nullif(regexp_replace(path, '/[^/]*$', ''), ''), '/') end)`;

/** A condition as SQL over the columns of `forebay.file_info`. Every value goes into `params`; what is written into the text comes from the tables of this file alone. */
export function conditionSql(condition: Condition, params: unknown[]): string {
  const put = (value: unknown, cast: string): string => `$${params.push(value)}::${cast}`;
  const valueSql = (value: Value): string =>
    value.kind === 'ago'
      ? `(statement_timestamp() - make_interval(secs => ${put(value.seconds, 'float8')}))`
      : put(value.text, CASTS[value.kind]);
  const sqlOf = (part: Condition): string => {
    switch (part.kind) {
      case 'and':
      case 'or':
        return `(${part.parts.map(sqlOf).join(part.kind === 'and' ? ' and ' : ' or ')})`;
      case 'not':
        return `(not ${sqlOf(part.of)})`;
      case 'compare':
        return `(${columnSql(part.column)} ${OPERATORS[part.by]} ${valueSql(part.value)})`;
      case 'in':
        return `(${columnSql(part.column)} in (${part.values.map(valueSql).join(', ')}))`;
      case 'like':
        return `(${columnSql(part.column)} ${part.anyCase ? 'ilike' : 'like'} ${put(part.pattern, 'text')})`;
      case 'missing':
        return `(${columnSql(part.column)} is null)`;
      case 'tagged':
        return `(${put(part.tag, 'text')} = any(tags))`;
      case 'folder':
        return `(${FOLDER} = ${put(part.path, 'text')})`;
      default:
        return part satisfies never;
    }
  };
  return sqlOf(condition);
}

function columnSql(column: Column): string {
  if (!Object.hasOwn(COLUMNS, column)) throw new TypeError(`no column: ${column}`);
  return column;
}
