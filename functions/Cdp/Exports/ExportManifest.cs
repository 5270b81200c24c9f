using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Cdp.Exports;

/// <summary>
/// <c>manifest.json</c>: what an export consists of. It is written last, so where it is everything is; and from the export's row alone, so whoever writes
/// it writes the same.
/// </summary>
public static class ExportManifest
{
    private const int Version = 1;

    public static ReadOnlyMemory<byte> Write(ExportDocument export)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("version"u8, Version);
            json.WriteString("exportId"u8, export.Id);
            json.WriteString("segmentId"u8, export.Request.SegmentId);
            if (!export.Request.IsOfAllProfiles)
                json.WriteNumber("definitionVersion"u8, export.Request.DefinitionVersion);
            json.WriteString("mode"u8, export.Request.Mode);
            if (export.Since is { } since)
                json.WriteString("previousExportId"u8, since);
            json.WriteString("asOf"u8, export.AsOf.ToString());
            json.WriteString("format"u8, export.Request.Format);
            json.WriteString("compression"u8, export.Request.Compression);
            json.WriteStartArray("columns"u8);
            foreach (var name in export.ColumnNames)
                json.WriteStringValue(name);
            json.WriteEndArray();
            json.WriteNumber("rows"u8, export.Rows);
            if (export.IsDelta)
            {
                json.WriteNumber("entered"u8, export.Entered);
                json.WriteNumber("exited"u8, export.Exited);
            }

            json.WriteStartArray("parts"u8);
            foreach (var part in export.Parts)
            {
                json.WriteStartObject();
                json.WriteString("name"u8, part.Name);
                json.WriteNumber("rows"u8, part.Rows);
                json.WriteNumber("bytes"u8, part.Bytes);
                json.WriteString("sha256"u8, part.Sha256);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (export.CompletedAt is { } completed)
                json.WriteString("completedAt"u8, completed.ToString());
            json.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }
}
