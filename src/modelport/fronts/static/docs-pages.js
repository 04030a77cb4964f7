// Starts Swagger UI. A file of its own, so that the page needs no inline script and its policy can refuse them all.
(() => {
  "use strict";
  const mount = document.getElementById("swagger-ui");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  follow();
  dark.addEventListener("change", follow);
  window.SwaggerUIBundle({
    domNode: mount,
    url: mount.dataset.openapiUrl,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    validatorUrl: null,
    tryItOutEnabled: true,
    deepLinking: true,
    persistAuthorization: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
  });
})();
