using System.Globalization;
using System.Text;
using System.Text.Json;
using Azure.Core;
using Azure.Data.Tables.Models;
using Azure.Storage;

namespace Azure.Data.Tables;

/// <summary>Entities are of type <see cref="TableEntity"/>; mapping to types of one's own is not part of the stand-in.</summary>
public class TableClient
{
    private readonly TableConnection connection;
    private readonly string root;

    internal TableClient(TableConnection connection, string name)
    {
        this.connection = connection;
        Name = name;
        root = $"{connection.Root}/{name}";
    }

    protected TableClient()
    {
        connection = null!;
        root = null!;
        Name = null!;
    }

    public virtual string AccountName => connection.AccountName;

    public virtual string Name { get; }

    public virtual Uri Uri => new(root);

    public static string CreateQueryFilter(FormattableString filter) => TableFilter.Create(filter);

    public virtual async Task<Response<TableItem>> CreateIfNotExistsAsync(CancellationToken cancellationToken = default)
    {
        using var message = connection.CreateMessage(RequestMethod.Post, new Uri(connection.Root + "/Tables"));
        message.Request.Headers.Add("Prefer", "return-no-content");
        var body = new PooledBuffer();
        using (var json = TableJson.CreateWriter(body))
        {
            json.WriteStartObject();
            json.WriteString("TableName", Name);
            json.WriteEndObject();
        }

        await SendAsync(message, body, cancellationToken);
        if (message.Response.Status is 201 or 204)
            return Response.FromValue(new TableItem(Name), message.Response);
        var failure = new RequestFailedException(message.Response);
        if (failure.ErrorCode == TableErrorCode.TableAlreadyExists)
            return Response.FromValue(new TableItem(Name), message.Response);
        throw failure;
    }

    public virtual async Task<Response> AddEntityAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : ITableEntity
    {
        var row = Row(entity);
        using var message = connection.CreateMessage(RequestMethod.Post, new Uri(root));
        message.Request.Headers.Add("Prefer", "return-no-content");
        return await WriteAsync(message, row, cancellationToken);
    }

    public virtual async Task<Response> UpdateEntityAsync<T>(T entity, ETag ifMatch, TableUpdateMode mode = TableUpdateMode.Merge, CancellationToken cancellationToken = default)
        where T : ITableEntity
    {
        var row = Row(entity);
        if (ifMatch == default)
            throw new ArgumentException("Value cannot be empty.", nameof(ifMatch));
        using var message = connection.CreateMessage(Method(mode), Locate(row.PartitionKey, row.RowKey));
        message.Request.Headers.Add("If-Match", ifMatch.ToString());
        return await WriteAsync(message, row, cancellationToken);
    }

    public virtual async Task<Response> UpsertEntityAsync<T>(T entity, TableUpdateMode mode = TableUpdateMode.Merge, CancellationToken cancellationToken = default)
        where T : ITableEntity
    {
        var row = Row(entity);
        using var message = connection.CreateMessage(Method(mode), Locate(row.PartitionKey, row.RowKey));
        return await WriteAsync(message, row, cancellationToken);
    }

    /// <summary>Of a row that is gone, the answer 404 is returned, not thrown, as the official client does.</summary>
    public virtual async Task<Response> DeleteEntityAsync(string partitionKey, string rowKey, ETag ifMatch = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(partitionKey);
        ArgumentNullException.ThrowIfNull(rowKey);
        using var message = connection.CreateMessage(RequestMethod.Delete, Locate(partitionKey, rowKey));
        message.Request.Headers.Add("If-Match", ifMatch == default ? "*" : ifMatch.ToString());
        await connection.SendAsync(message, cancellationToken);
        return message.Response.Status is 204 or 404 ? message.Response : throw new RequestFailedException(message.Response);
    }

    public virtual Task<Response> DeleteEntityAsync(ITableEntity entity, ETag ifMatch = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(entity);
        return DeleteEntityAsync(entity.PartitionKey, entity.RowKey, ifMatch, cancellationToken);
    }

    public virtual async Task<Response<T>> GetEntityAsync<T>(string partitionKey, string rowKey, IEnumerable<string>? select = null, CancellationToken cancellationToken = default)
        where T : class, ITableEntity
    {
        RequireTableEntity<T>();
        using var message = await SendGetAsync(partitionKey, rowKey, select, cancellationToken);
        return message.Response.Status == 200 ? Found<T>(message.Response) : throw new RequestFailedException(message.Response);
    }

    public virtual async Task<NullableResponse<T>> GetEntityIfExistsAsync<T>(string partitionKey, string rowKey, IEnumerable<string>? select = null, CancellationToken cancellationToken = default)
        where T : class, ITableEntity
    {
        RequireTableEntity<T>();
        using var message = await SendGetAsync(partitionKey, rowKey, select, cancellationToken);
        return message.Response.Status switch
        {
            200 => Found<T>(message.Response),
            404 => new NotFound<T>(message.Response),
            _ => throw new RequestFailedException(message.Response),
        };
    }

    public virtual AsyncPageable<T> QueryAsync<T>(string? filter = null, int? maxPerPage = null, IEnumerable<string>? select = null, CancellationToken cancellationToken = default)
        where T : class, ITableEntity
    {
        RequireTableEntity<T>();
        return (AsyncPageable<T>)(object)new EntityPages(connection, root, filter, maxPerPage, select, cancellationToken);
    }

    public virtual async Task<Response<IReadOnlyList<Response>>> SubmitTransactionAsync(IEnumerable<TableTransactionAction> transactionActions, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transactionActions);
        var boundary = Guid.NewGuid().ToString();
        var body = new PooledBuffer(16 * 1024);
        var count = WriteTransaction(body, boundary, transactionActions);
        using var message = connection.CreateMessage(RequestMethod.Post, connection.Batch);
        message.Request.Headers.Add("Content-Type", $"multipart/mixed; boundary=batch_{boundary}");
        message.Request.Content = RequestContent.Create(body.Written);
        await connection.SendAsync(message, cancellationToken);
        var response = message.Response;
        if (response.Status != 202)
            throw new RequestFailedException(response);
        body.Return();
        var answers = TransactionAnswer.ReadAll(response.Content.ToMemory(), count);
        if (answers is [{ Status: >= 400 } refusal])
            throw new TableTransactionFailedException(new RequestFailedException(refusal, null, TableConnection.ErrorParser));
        return Response.FromValue<IReadOnlyList<Response>>(answers, response);
    }

    private int WriteTransaction(PooledBuffer body, string boundary, IEnumerable<TableTransactionAction> actions)
    {
        body.Write($"--batch_{boundary}\r\nContent-Type: multipart/mixed; boundary=changeset_{boundary}\r\n\r\n");
        var preamble = Encoding.ASCII.GetBytes(
            $"--changeset_{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n");
        using var json = TableJson.CreateWriter(body);
        string? partition = null;
        var index = 0;
        foreach (var action in actions)
        {
            if (index == TableLimits.TransactionActions)
                throw new TableTransactionFailedException(TableLimits.TooManyActions()) { FailedTransactionActionIndex = TableLimits.TransactionActions - 1 };
            try
            {
                var row = Row(action.Entity);
                if (!string.Equals(partition ??= row.PartitionKey, row.PartitionKey, StringComparison.Ordinal))
                    throw TableLimits.DifferentPartitions();
                body.Write(preamble);
                WriteAction(body, json, action, row);
            }
            catch (RequestFailedException beyond) when (beyond is not TableTransactionFailedException)
            {
                throw new TableTransactionFailedException(beyond) { FailedTransactionActionIndex = index };
            }

            index++;
        }

        if (index == 0)
            throw new InvalidOperationException("Empty transactional batch is not allowed.");
        body.Write($"--changeset_{boundary}--\r\n--batch_{boundary}--\r\n");
        if (body.Length > TableLimits.TransactionBytes)
            throw TableLimits.BodyTooLarge();
        return index;
    }

    private void WriteAction(PooledBuffer body, Utf8JsonWriter json, TableTransactionAction action, TableEntity row)
    {
        var (method, condition) = action.ActionType switch
        {
            TableTransactionActionType.Add => ("POST ", null),
            TableTransactionActionType.UpdateMerge => ("PATCH ", Condition(action)),
            TableTransactionActionType.UpdateReplace => ("PUT ", Condition(action)),
            TableTransactionActionType.Delete => ("DELETE ", Condition(action)),
            TableTransactionActionType.UpsertMerge => ("PATCH ", null),
            TableTransactionActionType.UpsertReplace => ("PUT ", null),
            _ => throw new ArgumentException($"Unknown action type {action.ActionType}."),
        };
        body.Write(method);
        body.Write(root);
        if (action.ActionType != TableTransactionActionType.Add)
            body.Write(Address(row.PartitionKey, row.RowKey));
        body.Write(" HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0\r\n"u8);
        if (condition is not null)
        {
            body.Write("If-Match: "u8);
            body.Write(condition);
            body.Write("\r\n"u8);
        }

        if (action.ActionType == TableTransactionActionType.Add)
            body.Write("Prefer: return-no-content\r\n"u8);
        if (action.ActionType == TableTransactionActionType.Delete)
        {
            body.Write("\r\n\r\n"u8);
            return;
        }

        body.Write("Content-Type: application/json\r\n\r\n"u8);
        json.Reset(body);
        TableJson.Write(json, row);
        body.Write("\r\n"u8);
    }

    private async Task<Response> WriteAsync(HttpMessage message, TableEntity row, CancellationToken cancellationToken)
    {
        var body = new PooledBuffer();
        using (var json = TableJson.CreateWriter(body))
            TableJson.Write(json, row);
        await SendAsync(message, body, cancellationToken);
        return message.Response.Status is 201 or 204 ? message.Response : throw new RequestFailedException(message.Response);
    }

    private async Task SendAsync(HttpMessage message, PooledBuffer body, CancellationToken cancellationToken)
    {
        message.Request.Headers.Add("Content-Type", "application/json");
        message.Request.Content = RequestContent.Create(body.Written);
        await connection.SendAsync(message, cancellationToken);
        if (!message.Response.IsError)
            body.Return();
    }

    private async Task<HttpMessage> SendGetAsync(string partitionKey, string rowKey, IEnumerable<string>? select, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(partitionKey);
        ArgumentNullException.ThrowIfNull(rowKey);
        var address = root + Address(partitionKey, rowKey);
        if (select is not null)
            address += "?$select=" + Uri.EscapeDataString(string.Join(',', select));
        var message = connection.CreateMessage(RequestMethod.Get, new Uri(address));
        try
        {
            await connection.SendAsync(message, cancellationToken);
        }
        catch
        {
            message.Dispose();
            throw;
        }

        return message;
    }

    private static Response<T> Found<T>(Response response)
        where T : class, ITableEntity
    {
        var json = new Utf8JsonReader(response.Content.ToMemory().Span);
        json.Read();
        return Response.FromValue((T)(object)TableJson.Read(ref json), response);
    }

    private Uri Locate(string partitionKey, string rowKey) => new(root + Address(partitionKey, rowKey));

    private static string Address(string partitionKey, string rowKey) =>
        $"(PartitionKey='{Escape(partitionKey)}',RowKey='{Escape(rowKey)}')";

    private static string Escape(string key) => Uri.EscapeDataString(TableFilter.Escape(key));

    private static string Condition(TableTransactionAction action) => action.ETag == default ? "*" : action.ETag.ToString();

    private static RequestMethod Method(TableUpdateMode mode) => mode switch
    {
        TableUpdateMode.Merge => RequestMethod.Patch,
        TableUpdateMode.Replace => RequestMethod.Put,
        _ => throw new ArgumentException($"Unexpected value for {nameof(mode)}: {mode}"),
    };

    private static TableEntity Row(ITableEntity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        if (entity is not TableEntity row)
            throw new NotSupportedException($"{entity.GetType()} is not a {nameof(TableEntity)}, the only kind of entity this stand-in maps.");
        ArgumentNullException.ThrowIfNull(row.PartitionKey, nameof(entity.PartitionKey));
        ArgumentNullException.ThrowIfNull(row.RowKey, nameof(entity.RowKey));
        TableLimits.CheckKey(TableEntity.PartitionKeyName, row.PartitionKey);
        TableLimits.CheckKey(TableEntity.RowKeyName, row.RowKey);
        return row;
    }

    private static void RequireTableEntity<T>()
    {
        if (typeof(T) != typeof(TableEntity))
            throw new NotSupportedException($"{typeof(T)} is not a {nameof(TableEntity)}, the only kind of entity this stand-in maps.");
    }

    private sealed class NotFound<T>(Response response) : NullableResponse<T>
    {
        public override bool HasValue => false;

        public override T? Value => throw new InvalidOperationException("NullableResponse does not have a value.");

        public override Response GetRawResponse() => response;
    }

    private sealed class EntityPages(TableConnection connection, string root, string? filter, int? maxPerPage, IEnumerable<string>? select, CancellationToken cancellationToken)
        : AsyncPageable<TableEntity>(cancellationToken)
    {
        public override async IAsyncEnumerable<Page<TableEntity>> AsPages(string? continuationToken = null, int? pageSizeHint = null)
        {
            if (filter is not null)
                TableLimits.CheckFilter(filter);
            var next = continuationToken;
            do
            {
                using var message = connection.CreateMessage(RequestMethod.Get, Locate(next, pageSizeHint ?? maxPerPage));
                await connection.SendAsync(message, CancellationToken);
                var response = message.Response;
                if (response.Status != 200)
                    throw new RequestFailedException(response);
                next = Continuation(response);
                yield return Page<TableEntity>.FromValues(Read(response), next, response);
            }
            while (next is not null);
        }

        private Uri Locate(string? continuation, int? top)
        {
            var text = new StringBuilder(root, 512).Append("()?");
            if (top is not null)
                text.Append("$top=").Append(top.Value.ToString(CultureInfo.InvariantCulture)).Append('&');
            if (select is not null)
                text.Append("$select=").Append(Uri.EscapeDataString(string.Join(',', select))).Append('&');
            if (filter is not null)
                text.Append("$filter=").Append(Uri.EscapeDataString(filter)).Append('&');
            if (continuation is not null)
            {
                var split = continuation.IndexOf(' ', StringComparison.Ordinal);
                text.Append("NextPartitionKey=").Append(Uri.EscapeDataString(split < 0 ? continuation : continuation[..split])).Append('&');
                if (split >= 0)
                    text.Append("NextRowKey=").Append(Uri.EscapeDataString(continuation[(split + 1)..])).Append('&');
            }

            text.Length--;
            return new Uri(text.ToString());
        }

        private static string? Continuation(Response response)
        {
            if (!response.Headers.TryGetValue("x-ms-continuation-NextPartitionKey", out var partition))
                return null;
            return response.Headers.TryGetValue("x-ms-continuation-NextRowKey", out var row) && row.Length > 0 ? $"{partition} {row}" : partition;
        }

        private static List<TableEntity> Read(Response response)
        {
            var entities = new List<TableEntity>();
            var json = new Utf8JsonReader(response.Content.ToMemory().Span);
            while (json.Read())
            {
                if (json.TokenType != JsonTokenType.PropertyName || json.CurrentDepth != 1 || !json.ValueTextEquals("value"u8))
                    continue;
                json.Read();
                while (json.Read() && json.TokenType == JsonTokenType.StartObject)
                    entities.Add(TableJson.Read(ref json));
            }

            return entities;
        }
    }
}
