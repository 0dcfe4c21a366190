"""The page and the HTTP interface: thin skins over :mod:`geoglot.api` (extra ``serve``)."""
