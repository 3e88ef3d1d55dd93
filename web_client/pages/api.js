// The API to read and to try. Swagger UI draws it; the token that this tab has is filled in.

import { token } from '../js/token.js';

const ui = window.SwaggerUIBundle({
  url: '/v1/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // else it would ask another host whether the document is right
  onComplete: () => {
    if (token()) ui.preauthorizeApiKey('bearer', token());
  },
});
