/** Every name that the package exports, and every member of its interfaces and classes, says what it is. */
import assert from 'node:assert/strict';
import { dirname, join, relative } from 'node:path';
import { test } from 'tap';
import ts from 'typescript';
import { packageRoot } from '../../lib/foundation/addon.js';

const root = packageRoot();
const ENTRIES = ['lib/index.ts', 'lib/service/index.ts'];

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
  config: object;
};
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
const program = ts.createProgram(
  ENTRIES.map((entry) => join(root, entry)),
  options,
);
const checker = program.getTypeChecker();

/** Whether it is one of the public interface, and says nothing of itself. */
function isSilent(symbol: ts.Symbol): boolean {
  if (symbol.getJsDocTags().some(({ name }) => name === 'internal')) return false;
  return symbol.getDocumentationComment(checker).length === 0;
}

/** Tags of unions, such as `kind: 'dense'`, say all there is to say; what other packages declare is theirs. */
function needsWords(member: ts.Symbol): boolean {
  const [declaration] = member.declarations ?? [];
  if (declaration === undefined || declaration.getSourceFile().fileName.includes('node_modules')) return false;
  if ((ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private) !== 0) return false;
  if (
    ts.isTypeParameterDeclaration(declaration) ||
    ts.isIndexSignatureDeclaration(declaration) ||
    ts.isConstructorDeclaration(declaration)
  )
    return false;
  const { name, type } = declaration as ts.PropertySignature;
  if (name !== undefined && ts.isPrivateIdentifier(name)) return false;
  return !(ts.isPropertySignature(declaration) && type !== undefined && ts.isLiteralTypeNode(type));
}

for (const entry of ENTRIES)
  test(`${entry}: all that it exports is documented`, async () => {
    const source = program.getSourceFile(join(root, entry));
    assert.ok(source !== undefined);
    const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source)!);
    assert.ok(exported.length > 20);
    const silent: string[] = [];
    for (const name of exported) {
      const symbol = (name.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(name) : name;
      const file = relative(root, symbol.declarations?.[0].getSourceFile().fileName ?? '');
      if (isSilent(symbol)) silent.push(`${file}: ${symbol.name}`);
      if ((symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class)) === 0) continue;
      for (const member of symbol.members?.values() ?? [])
        if (needsWords(member) && isSilent(member)) silent.push(`${file}: ${symbol.name}.${member.name}`);
    }
    assert.deepEqual(silent, [], `undocumented, of ${dirname(entry)}`);
  });
