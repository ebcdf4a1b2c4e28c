"""Data items and saved queries, which datasets of images, texts and videos have; structured ones have none."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, masks, names, paging
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.datasets import rows
from gcpmlops.emulator.services.datasets.rows import DatasetRows

_QUERY = rows.DATASET + "/savedQueries/{query}"


class DataItems(Service):
    """Lists of what ImportData brought in. Annotations are not built."""

    proto = "google.cloud.aiplatform.v1.DatasetService"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = DatasetRows(context.store)

    def list_data_items(self, request: types.ListDataItemsRequest) -> types.ListDataItemsResponse:
        self._rows.get(request.parent)
        found, token = _page(self._rows.items.list(request.parent), request.filter, request.order_by, request)
        items = [masks.part(item, request.read_mask) for item in found]
        return types.ListDataItemsResponse(data_items=items, next_page_token=token)

    def search_data_items(self, request: types.SearchDataItemsRequest) -> types.SearchDataItemsResponse:
        """By the data items' own fields; what asks for annotations is refused by name."""
        asked = [name for name in ("annotations_filter", "annotation_filters", "saved_query") if getattr(request, name)]
        if asked:
            raise exceptions.MethodNotImplemented(f"DatasetService.SearchDataItems: {asked[0]} is not built.")
        self._rows.get(request.dataset)
        order = request.order_by_data_item or request.order_by
        found, token = _page(self._rows.items.list(request.dataset), request.data_item_filter, order, request)
        views = [types.DataItemView(data_item=item) for item in found]
        return types.SearchDataItemsResponse(data_item_views=views, next_page_token=token)

    def list_saved_queries(self, request: types.ListSavedQueriesRequest) -> types.ListSavedQueriesResponse:
        self._rows.get(request.parent)
        found, token = _page(self._rows.queries.list(request.parent), request.filter, request.order_by, request)
        queries = [masks.part(query, request.read_mask) for query in found]
        return types.ListSavedQueriesResponse(saved_queries=queries, next_page_token=token)

    def delete_saved_query(self, request: types.DeleteSavedQueryRequest) -> Any:
        names.parse(_QUERY, request.name)
        self._rows.queries.get(request.name)
        self._rows.queries.delete(request.name)
        return self.operations.finished(parent=request.name, metadata=types.DeleteOperationMetadata(), response=None)


def _page(found: list[Any], text: str, order_by: str, request: Any) -> tuple[list[Any], str]:
    chosen = [row for row in found if filters.matches(text, row)]
    return paging.page(filters.order(chosen, order_by), request)
