/**
 * `npm run docs`: these pages and the API reference of all exports as a static site in `build/docs`, by TypeDoc. Tables of results are
 * written first. A warning (a link that leads nowhere, a type that is not exported) is a failure.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, Converter } from 'typedoc';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const guide = (...names) => names.map((name) => `docs/guide/${name}.md`);

/** The sidebar: groups in this order, and the pages of each. */
const GROUPS = {
  'Get started': ['docs/README.md', ...guide('start', 'concepts')],
  Guide: guide(
    'data',
    'tasks',
    'models',
    'learners',
    'tuning',
    'evaluation',
    'serving',
    'service',
    'scaling',
    'troubleshooting',
  ),
  Reference: [
    'docs/reference/options.md',
    'docs/errors.md',
    'docs/gradients.md',
    'docs/what-we-found.md',
    'docs/results.md',
    'docs/benchmarks.md',
    'ARCHITECTURE.md',
  ],
  'Coming from': ['learn2learn', 'melu', 'recbole', 'lightfm', 'implicit', 'tensorflow-js'].map(
    (name) => `docs/coming-from/${name}.md`,
  ),
  中文: ['docs/zh/README.md', 'docs/zh/guide/start.md'],
};
/** What is imported, by the file of `lib/` that says what it exports. */
const MODULES = { 'index.ts': 'innerloop', 'service/index.ts': 'innerloop/service' };
const documents = Object.values(GROUPS).flat();
const titles = new Map(documents.map((page) => [page, /^# (.*)$/m.exec(readFileSync(join(root, page), 'utf8'))[1]]));

const app = await Application.bootstrap({
  name: 'innerloop',
  entryPoints: Object.keys(MODULES).map((file) => join(root, 'lib', file)),
  tsconfig: join(root, 'lib', 'tsconfig.json'),
  readme: join(root, 'README.md'),
  projectDocuments: documents.map((page) => join(root, page)),
  customCss: join(root, 'docs', 'tools', 'site.css'),
  out: join(root, 'build', 'docs'),
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  disableGit: true,
  includeVersion: true,
  sort: ['source-order'],
  groupOrder: [...Object.keys(GROUPS), 'Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables', '*'],
  navigation: { includeGroups: true },
  highlightLanguages: ['javascript', 'typescript', 'json', 'jsonc', 'bash', 'shell', 'python'],
  validation: { notExported: false, invalidLink: true, notDocumented: false },
  headings: { readme: false, document: false },
});
app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, page) => {
  const file = relative(root, page.project.files.getReflectionPath(page)).replaceAll('\\', '/');
  page.name = titles.get(file);
  page.frontmatter.group = Object.keys(GROUPS).find((group) => GROUPS[group].includes(file));
});
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project: { children } }) => {
  for (const module of children.filter(({ variant }) => variant === 'declaration'))
    module.name =
      MODULES[module.name === 'index' ? 'index.ts' : `${module.name}.ts`] ?? MODULES[`${module.name}/index.ts`];
});
const project = await app.convert();
if (project === undefined) process.exit(1);
app.validate(project);
await app.generateOutputs(project);
const problems = app.logger.errorCount + app.logger.warningCount;
console.log(
  `${relative(process.cwd(), join(root, 'build', 'docs'))}: ${documents.length} pages and the API; ${problems} problems`,
);
process.exitCode = problems === 0 ? 0 : 1;
