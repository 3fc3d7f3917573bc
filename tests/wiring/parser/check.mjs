// What GitHub's own parser says of workflow files: one JSON object, file → its complaints.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [place, ...files] = process.argv.slice(2);
const entry = `${place}/node_modules/@actions/workflow-parser/dist/index.js`;
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import(pathToFileURL(entry).href);
const found = {};
for (const file of files) {
  const content = readFileSync(file, "utf8");
  const parsed = parseWorkflow({ name: file, content }, new NoOperationTraceWriter());
  found[file] = parsed.context.errors.getErrors().map(String);
  if (parsed.value) {
    const template = await convertWorkflowTemplate(parsed.context, parsed.value);
    found[file].push(...(template.errors ?? []).map((error) => error.Message));
  }
}
console.log(JSON.stringify(found));
