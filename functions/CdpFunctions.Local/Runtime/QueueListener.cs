using Azure;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CdpFunctions.Local.Runtime;

/// <summary>Feeds one queue's messages to one function, as the Functions host's queue trigger does.</summary>
/// <remarks>
/// A message is locked for a short lease that is renewed at half its time while the function runs, so that those of a killed process come
/// back after at most one lease. After an exception it is hidden for host.json's visibilityTimeout; after the last try, or when it comes
/// again after a last try that died, its copy goes to <c>{queue}-poison</c> and only then it is deleted: a crash between leaves a duplicate
/// there, never a loss. A poison queue has no poison queue of its own (<c>poison</c> is null): its messages are neither hidden anew nor moved;
/// they come back when their lock ends, and after the last try they stay, unseen by the function, until they expire. The clock here is always the system's, because the service's own clock decides when a lease ends.
/// </remarks>
internal sealed partial class QueueListener(
    FunctionDescriptor function,
    QueueClient queue,
    QueueClient? poison,
    QueueSettings settings,
    TimeSpan lease,
    RunningFunctions running,
    IServiceScopeFactory scopes,
    ILogger logger)
{
    private readonly int _newBatchThreshold = settings.NewBatchThreshold ?? settings.BatchSize / 2;

    public string QueueName => queue.Name;

    /// <summary>The name of a queue's poison queue; null where the Functions host gives it none: it is one itself, or its name leaves no room.</summary>
    public static string? PoisonName(string queueName)
    {
        const string suffix = "-poison";
        const int longestName = 63;
        return queueName.EndsWith(suffix, StringComparison.OrdinalIgnoreCase) || queueName.Length + suffix.Length > longestName ? null : queueName + suffix;
    }

    /// <summary>Polls until told to stop. Messages in work then are <see cref="RunningFunctions"/>' business.</summary>
    public async Task PollAsync(CancellationToken stop)
    {
        var backoff = new PollingBackoff(settings.MaxPollingInterval, Random.Shared.NextDouble);
        HashSet<Task> processing = [];
        while (!stop.IsCancellationRequested)
        {
            try
            {
                // Not cancelled by a stop: messages fetched and thrown away would be locked for a lease.
                QueueMessage[] messages = await queue.ReceiveMessagesAsync(settings.BatchSize, lease, CancellationToken.None);
                foreach (var message in messages) processing.Add(running.Run(() => ProcessAsync(message)));
                if (messages.Length == 0)
                {
                    await Task.Delay(backoff.Next(), stop);
                    continue;
                }
                backoff.Reset();
                while (processing.RemoveWhere(task => task.IsCompleted) >= 0 && processing.Count > _newBatchThreshold)
                    await Task.WhenAny(processing).WaitAsync(stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error) when (error is RequestFailedException or OperationCanceledException or AggregateException)
            {
                // A queue that does not exist yet is an empty one.
                if (error is not RequestFailedException { ErrorCode: "QueueNotFound" }) PollFailed(logger, error, queue.Name, settings.MaxPollingInterval);
                await Task.Delay(settings.MaxPollingInterval, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ProcessAsync(QueueMessage message)
    {
        var popReceipt = message.PopReceipt;
        try
        {
            if (message.DequeueCount > settings.MaxDequeueCount)
            {
                await MoveToPoisonAsync(message, popReceipt);
                return;
            }
            var invocation = InvokeAsync(message);
            while (!invocation.IsCompleted)
            {
                try
                {
                    await invocation.WaitAsync(lease / 2, running.Abandoned);
                }
                catch (TimeoutException) when (!invocation.IsCompleted)
                {
                    popReceipt = await RenewAsync(message, popReceipt);
                }
            }
            var succeeded = await invocation;
            if (running.Abandoned.IsCancellationRequested) return;
            if (succeeded) await queue.DeleteMessageAsync(message.MessageId, popReceipt, CancellationToken.None);
            else if (poison is null) return;
            else if (message.DequeueCount >= settings.MaxDequeueCount) await MoveToPoisonAsync(message, popReceipt);
            else await queue.UpdateMessageAsync(message.MessageId, popReceipt, visibilityTimeout: settings.VisibilityTimeout, cancellationToken: CancellationToken.None);
        }
        catch (OperationCanceledException) when (running.Abandoned.IsCancellationRequested)
        {
            // Left behind; it comes back when its lease ends.
        }
        catch (RequestFailedException error) when (IsTakenOver(error))
        {
            TakenOver(logger, message.MessageId, queue.Name, function.Name);
        }
        catch (Exception error) when (error is RequestFailedException or OperationCanceledException or AggregateException)
        {
            NotSettled(logger, error, message.MessageId, queue.Name);
        }
    }

    /// <summary>Whether the function ended without an exception. Any exception is the function's failure: it is logged, and the message is tried again.</summary>
    public async Task<bool> InvokeAsync(QueueMessage message)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            await function.InvokeAsync(new QueueInvocation(function, message, scope.ServiceProvider, running.Cancelled));
            return true;
        }
        catch (Exception error)
        {
            Failed(logger, error, function.Name, message.MessageId, message.DequeueCount, settings.MaxDequeueCount);
            return false;
        }
    }

    private async Task<string> RenewAsync(QueueMessage message, string popReceipt)
    {
        try
        {
            UpdateReceipt receipt = await queue.UpdateMessageAsync(message.MessageId, popReceipt, visibilityTimeout: lease, cancellationToken: running.Abandoned);
            return receipt.PopReceipt;
        }
        catch (RequestFailedException error)
        {
            // The function goes on: if the message was taken over, settling it will say so; if the service was away, the next renewal may succeed.
            NotRenewed(logger, error, message.MessageId, queue.Name);
            return popReceipt;
        }
    }

    private async Task MoveToPoisonAsync(QueueMessage message, string popReceipt)
    {
        if (poison is null) return;
        try
        {
            await poison.SendMessageAsync(message.Body, cancellationToken: CancellationToken.None);
        }
        catch (RequestFailedException error) when (error.ErrorCode == "QueueNotFound")
        {
            await poison.CreateIfNotExistsAsync(cancellationToken: CancellationToken.None);
            await poison.SendMessageAsync(message.Body, cancellationToken: CancellationToken.None);
        }
        Poisoned(logger, message.MessageId, queue.Name, message.DequeueCount, poison.Name);
        await queue.DeleteMessageAsync(message.MessageId, popReceipt, CancellationToken.None);
    }

    private static bool IsTakenOver(RequestFailedException error) => error.ErrorCode is "PopReceiptMismatch" or "MessageNotFound" or "QueueNotFound" or "QueueBeingDeleted";

    [LoggerMessage(Level = LogLevel.Error, Message = "{Function} failed on message {MessageId}, try {Try} of {Tries}")]
    private static partial void Failed(ILogger logger, Exception error, string function, string messageId, long @try, int tries);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Queue {Queue} could not be read; next look in {Pause}")]
    private static partial void PollFailed(ILogger logger, Exception error, string queue, TimeSpan pause);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Message {MessageId} of {Queue} was tried {Tries} times and moved to {Poison}")]
    private static partial void Poisoned(ILogger logger, string messageId, string queue, long tries, string poison);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Message {MessageId} of {Queue} was taken over by another instance while {Function} ran")]
    private static partial void TakenOver(ILogger logger, string messageId, string queue, string function);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The lock of message {MessageId} of {Queue} could not be renewed")]
    private static partial void NotRenewed(ILogger logger, Exception error, string messageId, string queue);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Message {MessageId} of {Queue} could not be settled and will come again")]
    private static partial void NotSettled(ILogger logger, Exception error, string messageId, string queue);
}
