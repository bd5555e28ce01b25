"""How the chapters are executed and stored: a configuration of nbconvert.

    jupyter nbconvert --config tools/execute.py notebooks/*.ipynb

runs each notebook top to bottom in its own folder and writes it back in place. What is stored is
what a reader without a kernel can see: widgets leave neither state nor an empty "could not load"
frame (GitHub renders nothing at all when it meets ``metadata.widgets``), and nothing that differs
from machine to machine (times, versions) gets into a diff.
"""

from nbconvert.preprocessors import CoalesceStreamsPreprocessor, Preprocessor

FOLDED = "jp-MarkdownHeadingCollapsed"
KEPT = {"tags", "jupyter", FOLDED}  # of a cell's metadata
WIDGET = "application/vnd.jupyter.widget-view+json"


class TidyNotebook(Preprocessor):
    """Keep what can be read, drop what only this machine or a live kernel understands."""

    def preprocess(self, nb, resources):
        folded = [cell.id for cell in nb.cells if cell.metadata.get(FOLDED)]
        nb.metadata.clear()
        if folded:  # on Colab, which knows a cell by the id in its metadata
            nb.metadata.colab = {"collapsed_sections": folded}
        nb.metadata.kernelspec = {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }
        nb.metadata.language_info = {"name": "python"}
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell, resources, index):
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in KEPT}
        if FOLDED in cell.metadata:
            cell.metadata["id"] = cell.id
        if cell.cell_type == "code":
            if cell.metadata.get("jupyter", {}).get("source_hidden"):
                cell.metadata["cellView"] = "form"  # so Colab hides it
            cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
        return cell, resources


c = get_config()  # noqa: F821 - nbconvert defines it while it reads this file
# What `--to notebook --inplace --execute` would set.
c.NbConvertApp.export_format = "notebook"
c.NbConvertApp.use_output_suffix = False
c.FilesWriter.build_directory = ""
c.ExecutePreprocessor.enabled = True

c.ExecutePreprocessor.kernel_name = "python3"
c.ExecutePreprocessor.timeout = 600  # seconds a cell may take
c.ExecutePreprocessor.store_widget_state = False
c.ExecutePreprocessor.record_timing = False
c.NotebookExporter.preprocessors = [TidyNotebook, CoalesceStreamsPreprocessor]
