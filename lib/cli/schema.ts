/** Prints the JSON Schema of the configuration file: `node dist/lib/cli/schema.js > lib/cli/config.schema.json`. */
import { jsonSchema } from './config.js';

process.stdout.write(jsonSchema());
