"""Users' files, opened safely and turned into pixels and places.

:mod:`~geoglot.geo.discover` lists files, :mod:`~geoglot.geo.decoder` reads them in a child process that has limits,
:mod:`~geoglot.geo.writing` writes hits for a geographic information system. Only the child imports GDAL (by rasterio).
"""
