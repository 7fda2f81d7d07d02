"""What the API is, as data: one module per group of resources declares their definitions and links.

From it come `/schema` and `/openapi.json`, the check of every request's body, and in tests that of every answer. A
route without a link, and a link without a route, fail a test.
"""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.registry import ERROR, RESOURCES, link_of, links
from hostd.api.schema.validation import check_body, flaw

__all__ = ["ERROR", "RESOURCES", "Link", "Resource", "check_body", "flaw", "link_of", "links"]
