using Azure.Core;
using Azure.Core.Pipeline;

namespace Azure.Data.Tables;

/// <summary>What the clients of one account's tables share.</summary>
internal sealed class TableConnection
{
    private readonly HttpPipeline pipeline;
    private readonly string version;

    public TableConnection(Uri endpoint, string account, TableClientOptions options, HttpPipelinePolicy authorization)
    {
        Endpoint = endpoint;
        AccountName = account;
        version = options.VersionString;
        Root = endpoint.AbsoluteUri.TrimEnd('/');
        Batch = new Uri(Root + "/$batch");
        pipeline = HttpPipelineBuilder.Build(new HttpPipelineOptions(options)
        {
            PerRetryPolicies = { authorization },
            RequestFailedDetailsParser = ErrorParser,
        });
    }

    public static TableErrorParser ErrorParser { get; } = new();

    public Uri Endpoint { get; }

    public string AccountName { get; }

    /// <summary>The endpoint without a slash at its end.</summary>
    public string Root { get; }

    public Uri Batch { get; }

    public HttpMessage CreateMessage(RequestMethod method, Uri uri)
    {
        var message = pipeline.CreateMessage();
        var request = message.Request;
        request.Method = method;
        request.Uri.Reset(uri);
        request.Headers.Add("x-ms-version", version);
        request.Headers.Add("DataServiceVersion", "3.0");
        request.Headers.Add("Accept", "application/json;odata=minimalmetadata");
        return message;
    }

    public ValueTask SendAsync(HttpMessage message, CancellationToken cancellationToken) => pipeline.SendAsync(message, cancellationToken);
}
