// What a user installs, from all sides, in one file: it is packed once, and the project that has it is made once.
import "./tarball.js";
import "./bundle.js";
import "./types.js";
import "./snippets.js";
