using Cdp.Access;
using Cdp.Problems;
using Cdp.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What became of a message that a collector took.</summary>
public sealed class MessageReads(ApiAccess access, MessageStatusReader messages)
{
    // A catch-all, because some servers in front decode slashes.
    [Function("GetMessageStatus")]
    public Task<IResult> Get(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/messages/{sourceId}/{*messageId}")] HttpRequest request, string sourceId, string? messageId) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            if (string.IsNullOrEmpty(messageId))
                throw new ProblemException(ProblemType.NotFound, "The path ends with the messageId: /v1/messages/{sourceId}/{messageId}.");
            var status = await messages.FindAsync(sourceId, MessageKey.Parse(sourceId, messageId), request.HttpContext.RequestAborted);
            return JsonAnswer.Of(json => ProfileJson.WriteStatus(json, status));
        });
}
