import "./style/base.css";
import "./style/search.css";
import "./style/scene.css";
import "./style/pages.css";
import { render } from "preact";
import { App } from "./shell/app";
import { startTheme } from "./shell/theme";
import { takeToken } from "./shell/token";

startTheme();
await takeToken();
const root = document.getElementById("page");
if (root) render(<App />, root);
