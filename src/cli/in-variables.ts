import { settingsWithVariable } from "../auth/config/settings.js";
import type { DiagnosisCheck } from "../auth/diagnosis/diagnosis.js";

/** Options by path, the longest first: `cache.redis.tls.ca` begins with another one. */
const VARIABLE_OF = settingsWithVariable
  .filter(({ path }) => path.includes(".")) // another one is a word, and may be a part of a name
  .map(({ path, variable }) => ({ option: path.replaceAll(".", "\\."), variable }))
  .sort((one, other) => other.option.length - one.option.length);
const AUTHORITY = /give its CA in ([\w.]+\.tls\.ca)/;

/** The same check for a client that is made from the environment: it names the variables, and not the options that they set. */
export function inVariables({ message, fix, ...check }: DiagnosisCheck): DiagnosisCheck {
  const isOurs = check.id.startsWith("settings."); // others hold names of hosts, and of what a user may do
  return {
    ...check,
    message: isOurs ? translated(message) : message,
    ...(fix !== undefined && { fix: translated(fix) }),
  };
}

function translated(text: string): string {
  const named = VARIABLE_OF.reduce(
    (rest, { option, variable }) =>
      rest.replace(new RegExp(`\\b${option}\\b(?![.\\w])(?: \\(${variable}(?:, (in seconds))?\\))?`, "g"), (_, unit) =>
        unit === undefined ? variable : `${variable} (${unit})`,
      ),
    text,
  );
  return named.replace(AUTHORITY, "set NODE_EXTRA_CA_CERTS to the file of its CA (in code: $1)");
}
