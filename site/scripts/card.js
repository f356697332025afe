/** The page of a card. */

import { addCopyButtons } from "./copy.js";

addCopyButtons();
