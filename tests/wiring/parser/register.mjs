// The parser imports JSON in a way that node 20 to 22 take only with an attribute.
import { register } from "node:module";

register("./json_hook.mjs", import.meta.url);
