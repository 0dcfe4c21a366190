/** MapLibre, loaded when a map is first shown, with its worker from our own address. */

import "maplibre-gl/dist/maplibre-gl.css";
import { Map as MapLibre, Marker, NavigationControl, ScaleControl, setWorkerUrl } from "maplibre-gl";
import workerAddress from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";

setWorkerUrl(new URL(workerAddress, document.baseURI).href);

export type { GeoJSONSource, MapMouseEvent, MapTouchEvent } from "maplibre-gl";
export { MapLibre, Marker, NavigationControl, ScaleControl };
